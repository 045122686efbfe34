//! Sessions that go on at another process with the same key: another node, or the same one after a restart.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use actix_web::{App, HttpServer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::{LocalBoxFuture, join, join_all};
use messagebox::auth::{AuthMessage, Handled, Identity};
use messagebox::config::{Secret, Settings};
use messagebox::http::{Extras, HttpState, NonceUse, SharedNonce, SharedNonces, configure};
use messagebox::limits::Networks;
use serde_json::{Value, json};

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::{Answer, Brc104};
use crate::support::eventually;
use crate::support::server::TestServer;

const LIST: &str = "/listMessages";
const BODY: &str = r#"{"messageBox":"inbox"}"#;

/// A server key that several nodes have.
struct Key(String);

impl Key {
    fn random() -> Self {
        Self(hex::encode(rand::random::<[u8; 32]>()))
    }

    fn node(&self) -> TestServer {
        self.node_with(|_| {})
    }

    fn node_with(&self, change: impl FnOnce(&mut Settings)) -> TestServer {
        TestServer::with(|settings| {
            settings.identity.private_key = Some(Secret::new(self.0.clone()));
            change(settings);
        })
    }
}

async fn connect(server: &TestServer) -> Brc104 {
    Brc104::connect(&server.http("")).await
}

async fn list(client: &Brc104) -> Answer {
    client.post(LIST, BODY).await
}

fn is_unknown(answer: &Answer) -> bool {
    let description = answer.json["description"].as_str().unwrap_or_default();
    // The words by which the published client knows that it has to shake hands again.
    let named = description.starts_with("Session not found for nonce");
    answer.status == 401 && !answer.signed && named
}

#[actix_web::test]
async fn a_session_begun_on_one_node_is_good_on_every_node_and_after_a_restart() {
    let key = Key::random();
    let (first, second) = (key.node(), key.node());
    let used = connect(&first).await;
    assert_eq!(list(&used).await.status, 200);
    // The very first request may come to another node than the handshake.
    let fresh = connect(&first).await;
    for session in [used, fresh] {
        let session = session.at(&second.http(""));
        for _ in 0..3 {
            let answer = list(&session).await;
            assert!(answer.status == 200 && answer.signed);
        }
        let refused = session.post("/nothing", "{}").await;
        assert!(refused.status == 404 && refused.signed);
    }
    assert_eq!(second.state.session_count(), 2);
    let last = connect(&second).await;
    assert_eq!(list(&last).await.status, 200);
    drop((first, second));
    let restarted = key.node();
    let answer = list(&last.at(&restarted.http(""))).await;
    assert!(answer.status == 200 && answer.signed);
    assert_eq!(restarted.state.session_count(), 1);
}

#[actix_web::test]
async fn a_server_with_another_key_knows_nothing_of_it() {
    let (first, other) = (Key::random().node(), Key::random().node());
    let session = connect(&first).await;
    assert_eq!(list(&session).await.status, 200);
    assert!(is_unknown(&list(&session.at(&other.http(""))).await));
    assert_eq!(other.state.session_count(), 0);
}

#[actix_web::test]
async fn where_it_is_off_or_certificates_are_required_sessions_stay_where_they_began() {
    let key = Key::random();
    let first = key.node();
    let session = connect(&first).await;
    let without = key.node_with(|settings| settings.auth.resume = false);
    let certified = key.node_with(|settings| {
        let section = &mut settings.auth.certificates;
        let certifier = Identity::random().identity_key().to_hex();
        section.certifiers.push(certifier);
        section.types.insert(STANDARD.encode([7; 32]), Vec::new());
    });
    let mut session = session;
    for node in [&without, &certified] {
        session = session.at(&node.http(""));
        assert!(is_unknown(&list(&session).await));
        assert_eq!(node.state.session_count(), 0);
        // What begins there has the usual nonce, and nobody else takes it up.
        let theirs = connect(node).await;
        assert_eq!(theirs.session.peer_nonce().len(), 64);
        assert!(is_unknown(&list(&theirs.at(&first.http(""))).await));
    }
}

#[actix_web::test]
async fn what_does_not_verify_is_not_kept_and_has_used_nothing_up() {
    let key = Key::random();
    let (first, second) = (key.node(), key.node());
    let session = connect(&first).await.at(&second.http(""));
    let good = session.request("POST", LIST, BODY);
    let somebody = Identity::random().identity_key().to_hex();
    let nonce = session.session.peer_nonce().to_owned();
    let swapped = |text: &str| {
        let mut text = text.to_owned();
        let last = text.pop();
        text.push(if last == Some('0') { '1' } else { '0' });
        text
    };
    let signature = good.get("x-bsv-auth-signature");
    let own_key = good.get("x-bsv-auth-identity-key");
    let wrong = [
        good.clone()
            .set("x-bsv-auth-signature", swapped(&signature)),
        good.clone().set("x-bsv-auth-signature", "00"),
        good.clone().set("x-bsv-auth-identity-key", somebody),
        good.clone().set("x-bsv-auth-identity-key", "02"),
        good.clone()
            .set("x-bsv-auth-identity-key", swapped(&own_key)),
        good.clone().set("x-bsv-auth-your-nonce", swapped(&nonce)),
        good.clone()
            .set("x-bsv-auth-your-nonce", nonce.split_at(64).0),
        good.clone().set("x-bsv-auth-nonce", "other"),
    ];
    for request in &wrong {
        let answer = session.send(request).await;
        assert_eq!((answer.status, answer.signed), (401, false), "{request:?}");
        assert_eq!(second.state.session_count(), 0);
    }
    assert_eq!(session.send(&good).await.status, 200);
    assert_eq!(second.state.session_count(), 1);
}

#[actix_web::test]
async fn a_nonce_counts_once_in_each_process_however_many_requests_bring_the_session_back() {
    let key = Key::random();
    let (first, second) = (key.node(), key.node());
    for _ in 0..5 {
        let session = connect(&first).await.at(&second.http(""));
        let request = session.request("POST", LIST, BODY);
        let answers = join_all((0..16).map(|_| session.send(&request))).await;
        let taken = answers.iter().filter(|answer| answer.status == 200);
        assert_eq!(taken.count(), 1);
        let refused = answers
            .iter()
            .filter(|answer| answer.code() == "ERR_AUTH_FAILED");
        assert_eq!(refused.count(), 15);
    }
    assert_eq!(second.state.session_count(), 5);
}

#[actix_web::test]
async fn requests_that_bring_a_session_back_at_once_are_all_answered() {
    const ROUNDS: usize = 50;
    let key = Key::random();
    let (first, second) = (key.node(), key.node());
    for _ in 0..ROUNDS {
        let session = connect(&first).await.at(&second.http(""));
        let answers = join_all((0..16).map(|_| list(&session))).await;
        let refused = answers.iter().find(|answer| answer.status != 200);
        assert!(refused.is_none(), "{refused:?}");
    }
    assert_eq!(second.state.session_count(), ROUNDS);
}

#[actix_web::test]
async fn a_session_that_a_process_has_let_go_of_is_not_taken_up_again() {
    let key = Key::random();
    let few = |settings: &mut Settings| settings.auth.max_seen_nonces = 2.try_into().unwrap();
    let (first, second) = (key.node_with(few), key.node_with(few));
    for node in [&first, &second] {
        let session = connect(&first).await.at(&node.http(""));
        let recorded = session.request("POST", LIST, BODY);
        assert_eq!(session.send(&recorded).await.status, 200);
        assert_eq!(list(&session).await.status, 200);
        // It is used up: what it has seen is forgotten, and so it must not begin anew.
        assert_eq!(node.state.session_count(), 0);
        assert!(is_unknown(&session.send(&recorded).await));
        assert!(is_unknown(&list(&session).await));
    }
}

#[actix_web::test]
async fn taking_up_counts_as_a_handshake_and_keeps_to_the_limits_of_sessions() {
    let key = Key::random();
    let first = key.node();
    let second =
        key.node_with(|settings| settings.auth.max_sessions_per_identity = 2.try_into().unwrap());
    let identity = Arc::new(Identity::random());
    for _ in 0..4 {
        let session = Brc104::connect_as(&first.http(""), Arc::clone(&identity)).await;
        assert_eq!(list(&session.at(&second.http(""))).await.status, 200);
    }
    assert_eq!(second.state.session_count(), 2);
    let strict = key.node_with(|settings| {
        settings.limits.unlimited_addresses = Networks::default();
        settings.limits.handshakes_per_address = 1;
    });
    let mut taken = 0;
    loop {
        let session = connect(&first).await.at(&strict.http(""));
        let answer = list(&session).await;
        if answer.status == 429 {
            break;
        }
        assert_eq!(answer.status, 200);
        // Further requests of the session are no handshakes.
        assert_eq!(list(&session).await.status, 200);
        taken += 1;
        assert!(taken < 500, "it was never refused");
    }
    assert!(taken > 0);
}

/// A memory that nodes share, as a store between them would be.
#[derive(Debug, Default)]
struct Shared(Mutex<HashSet<([u8; 16], [u8; 16])>>);

impl SharedNonces for Shared {
    fn use_up(&self, nonce: SharedNonce) -> LocalBoxFuture<'_, NonceUse> {
        assert!(!nonce.remember_for.is_zero());
        Box::pin(async move {
            tokio::task::yield_now().await;
            let is_first = self.0.lock().unwrap().insert((nonce.session, nonce.nonce));
            if is_first {
                NonceUse::First
            } else {
                NonceUse::Repeated
            }
        })
    }
}

/// Serves this state on a port of its own, beside the server that it is from.
fn serve(state: HttpState) -> String {
    let app = move || App::new().configure(configure(state.clone(), Extras::default()));
    let server = HttpServer::new(app).workers(1).disable_signals();
    let server = server.bind(("127.0.0.1", 0)).unwrap();
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    format!("http://{address}")
}

#[actix_web::test]
async fn with_a_shared_memory_a_request_counts_once_on_all_nodes_and_without_one_on_each() {
    let key = Key::random();
    let (first, second) = (key.node(), key.node());
    let shared: Arc<dyn SharedNonces> = Arc::new(Shared::default());
    let sharing = |node: &TestServer| {
        let state = node.state.clone();
        serve(state.with_shared_nonces(Some(Arc::clone(&shared)), false))
    };
    let (one, other) = (sharing(&first), sharing(&second));
    let session = Brc104::connect(&one).await;
    let request = session.request("POST", LIST, BODY);
    assert_eq!(session.send(&request).await.status, 200);
    let session = session.at(&other);
    let replayed = session.send(&request).await;
    assert_eq!((replayed.status, replayed.signed), (401, false));
    assert_eq!(second.state.session_count(), 0);
    assert_eq!(list(&session).await.status, 200);
    // Without it, nobody tells the other node: what SECURITY.md says of replays.
    let session = connect(&first).await;
    let request = session.request("POST", LIST, BODY);
    assert_eq!(session.send(&request).await.status, 200);
    let session = session.at(&second.http(""));
    assert_eq!(session.send(&request).await.status, 200);
    assert_eq!(session.send(&request).await.status, 401);
}

/// Lets nobody on before two are there.
#[derive(Debug)]
struct Pairwise(tokio::sync::Barrier);

impl SharedNonces for Pairwise {
    fn use_up(&self, _: SharedNonce) -> LocalBoxFuture<'_, NonceUse> {
        Box::pin(async {
            self.0.wait().await;
            NonceUse::First
        })
    }
}

#[actix_web::test]
async fn requests_that_bring_a_session_back_at_once_share_its_memory() {
    let key = Key::random();
    let (first, second) = (key.node(), key.node());
    let pairwise: Arc<dyn SharedNonces> = Arc::new(Pairwise(tokio::sync::Barrier::new(2)));
    let state = second.state.clone();
    let base = serve(state.with_shared_nonces(Some(pairwise), false));
    let session = connect(&first).await.at(&base);
    // Both have verified, each in a session of its own, before either is kept.
    let request = session.request("POST", LIST, BODY);
    let (one, other) = join(session.send(&request), session.send(&request)).await;
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    assert_eq!(second.state.session_count(), 1);
    let session = connect(&first).await.at(&base);
    let (one, other) = join(list(&session), list(&session)).await;
    assert_eq!((one.status, other.status), (200, 200));
    assert_eq!(second.state.session_count(), 2);
}

fn stored(id: &str, client: &AuthSocketClient) -> Value {
    json!({"roomId": client.room("inbox").as_str(), "message": {"messageId": id, "body": "x"}})
}

/// Answers the handshake that the server begins.
async fn prove(client: &mut AuthSocketClient) {
    let request = client.auth_message().await;
    let asked: Value = serde_json::from_str(&request).unwrap();
    assert_eq!(asked["messageType"], "initialRequest");
    let request = AuthMessage::parse(&request).unwrap();
    let Handled::Reply(answer) = client.peer.handle(&request).unwrap() else {
        panic!("an answer");
    };
    client.send_auth(&answer).await;
    assert_eq!(client.event().await.0, "authenticationSuccess");
}

#[actix_web::test]
async fn frames_of_another_nodes_socket_count_once_their_sender_has_proven_itself() {
    let key = Key::random();
    let (first, second) = (key.node(), key.node());
    let identity = Arc::new(Identity::random());
    let lost = AuthSocketClient::authenticated_as(first.address, Arc::clone(&identity)).await;
    let late = lost.signed("sendMessage", &stored("late", &lost));
    let refused = || second.service.counters.refused.load(Ordering::Relaxed);

    // Whoever repeats it without the key is nobody, also after proving to be somebody else.
    let mut thief = AuthSocketClient::connect(second.address, Arc::new(Identity::random())).await;
    thief.send_auth(&late).await;
    prove(&mut thief).await;
    eventually("the refusal", || refused() == 1).await;

    let mut back = AuthSocketClient::connect(second.address, Arc::clone(&identity)).await;
    back.send_auth(&late).await;
    prove(&mut back).await;
    let (event, data) = back.event().await;
    let room = back.room("inbox");
    assert_eq!(event, format!("sendMessageAck-{room}"));
    assert_eq!(
        (&data["status"], &data["messageId"]),
        (&json!("success"), &json!("late"))
    );
    assert_eq!(back.event().await.0, format!("sendMessage-{room}"));

    // Once it counted, it is a replay: on its socket, and on every other of this node.
    back.send_auth(&late).await;
    eventually("the second refusal", || refused() == 2).await;
    let mut again = AuthSocketClient::connect(second.address, identity).await;
    again.send_auth(&late).await;
    prove(&mut again).await;
    eventually("the third refusal", || refused() == 3).await;
}

#[actix_web::test]
async fn a_request_cannot_name_the_session_of_a_socket() {
    let key = Key::random();
    let (first, second) = (key.node(), key.node());
    let socket = AuthSocketClient::authenticated(first.address).await;
    let named: Value = serde_json::from_str(&socket.signed("x", &json!(1))).unwrap();
    let of_socket = named["yourNonce"].as_str().unwrap();
    let session = Brc104::connect_as(&first.http(""), Arc::clone(&socket.identity)).await;
    let session = session.at(&second.http(""));
    let request = session.request("POST", LIST, BODY);
    let request = request.set("x-bsv-auth-your-nonce", of_socket);
    assert!(is_unknown(&session.send(&request).await));
}
