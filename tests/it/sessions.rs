//! Sessions that continue at another process with the same key and database: another node, or the same one after a
//! restart. Also the rows that the database stores for them.

mod once;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use messagebox::auth::{AuthMessage, Handled, Identity, PENDING_TTL};
use messagebox::config::{Secret, Settings};
use messagebox::limits::Networks;
use serde_json::{Value, json};

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::{Answer, Brc104, Request};
use crate::support::database::TestDatabase;
use crate::support::eventually;
use crate::support::server::TestServer;

const LIST: &str = "/listMessages";
const BODY: &str = r#"{"messageBox":"inbox"}"#;

/// The key and database that several nodes share.
struct Nodes {
    key: String,
    database: Arc<TestDatabase>,
}

impl Nodes {
    fn new() -> Self {
        Self {
            key: hex::encode(rand::random::<[u8; 32]>()),
            database: Arc::new(TestDatabase::create()),
        }
    }

    /// Nodes with another key on the same database.
    fn others(&self) -> Self {
        Self {
            key: hex::encode(rand::random::<[u8; 32]>()),
            database: Arc::clone(&self.database),
        }
    }

    fn node(&self) -> TestServer {
        self.node_with(|_| {})
    }

    fn node_with(&self, change: impl FnOnce(&mut Settings)) -> TestServer {
        TestServer::on(Arc::clone(&self.database), |settings| {
            settings.identity.private_key = Some(Secret::new(self.key.clone()));
            change(settings);
        })
    }

    /// The stored sessions: whether authenticated, and their remaining life.
    fn stored(&self) -> Vec<(bool, Duration)> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let of = |proven: bool| {
            let proven = if proven { "" } else { "NOT " };
            let sql = format!(
                r#"SELECT CAST("expiresAt" AS CHAR(20)) AS "value" FROM "auth_sessions" WHERE {proven}"isAuthenticated""#
            );
            self.database.texts(&sql)
        };
        let life = |text: String| {
            let at = Duration::from_millis(text.trim().parse().unwrap());
            at.saturating_sub(now)
        };
        let mut stored = Vec::new();
        for proven in [false, true] {
            stored.extend(of(proven).into_iter().map(|text| (proven, life(text))));
        }
        stored
    }

    async fn eventually_stored(&self, what: &str, expected: impl Fn(&[(bool, Duration)]) -> bool) {
        eventually(what, || expected(&self.stored())).await;
    }
}

async fn connect(server: &TestServer) -> Brc104 {
    Brc104::connect(&server.http("")).await
}

async fn list(client: &Brc104) -> Answer {
    client.post(LIST, BODY).await
}

/// A message from the session's client to itself.
fn send(session: &Brc104, id: &str) -> Request {
    let recipient = session.identity.identity_key().to_hex();
    let message =
        json!({"recipient": recipient, "messageBox": "inbox", "messageId": id, "body": "x"});
    session.request(
        "POST",
        "/sendMessage",
        json!({ "message": message }).to_string(),
    )
}

/// The length of a nonce in bytes. Its base64 must be canonical, as new clients demand.
fn canonical(nonce: &str) -> usize {
    let bytes = STANDARD.decode(nonce).unwrap();
    assert_eq!(STANDARD.encode(&bytes), nonce);
    bytes.len()
}

#[actix_web::test]
async fn every_nonce_and_key_has_the_form_that_new_clients_demand() {
    let server = TestServer::start();
    let handshake = |client: &Arc<Identity>| {
        let nonce = STANDARD.encode([7; 48]);
        json!({
            "version": "0.1", "messageType": "initialRequest", "initialNonce": nonce,
            "identityKey": client.identity_key().to_hex(),
        })
    };
    let client = Arc::new(Identity::random());
    let mut answer = crate::support::polling::client()
        .post(server.http("/.well-known/auth"))
        .send_json(&handshake(&client))
        .await
        .unwrap();
    let header = |name: &str| {
        let value = answer.headers().get(format!("x-bsv-auth-{name}")).unwrap();
        value.to_str().unwrap().to_owned()
    };
    let key = server.identity_key.to_hex();
    assert_eq!(key, key.to_lowercase());
    assert_eq!(canonical(&header("nonce")), 48);
    assert_eq!(header("identity-key"), key);
    let nonce = header("nonce");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["initialNonce"], nonce);
    assert_eq!(body["yourNonce"], STANDARD.encode([7; 48]));
    assert_eq!(body["identityKey"], key);
    let session = connect(&server).await;
    let answer = list(&session).await;
    assert_eq!(canonical(answer.header("x-bsv-auth-nonce").unwrap()), 32);
    assert_eq!(
        canonical(answer.header("x-bsv-auth-your-nonce").unwrap()),
        48
    );
    assert_eq!(answer.header("x-bsv-auth-identity-key").unwrap(), key);
    // On a socket: the answer to a handshake, a message, and a handshake of the server.
    let socket = AuthSocketClient::authenticated(server.address).await;
    let signed: Value = serde_json::from_str(&socket.signed("x", &json!(1))).unwrap();
    assert_eq!(canonical(signed["yourNonce"].as_str().unwrap()), 48);
    let mut back = AuthSocketClient::connect(server.address, Arc::clone(&client)).await;
    back.send_auth(&signed.to_string()).await;
    let message: Value = serde_json::from_str(&back.auth_message().await).unwrap();
    assert_eq!(message["messageType"], "initialRequest");
    assert_eq!(canonical(message["initialNonce"].as_str().unwrap()), 48);
    assert_eq!(message["identityKey"], key);
}

#[actix_web::test]
async fn a_session_begun_on_one_node_is_good_on_every_node_and_after_a_restart() {
    let nodes = Nodes::new();
    let (first, second) = (nodes.node(), nodes.node());
    let used = connect(&first).await;
    assert_eq!(list(&used).await.status, 200);
    // The first request may reach another node than the handshake.
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
    let restarted = nodes.node();
    let answer = list(&last.at(&restarted.http(""))).await;
    assert!(answer.status == 200 && answer.signed);
    assert_eq!(restarted.state.session_count(), 1);
}

#[actix_web::test]
async fn a_session_whose_time_is_over_is_over_after_a_restart_too() {
    let nodes = Nodes::new();
    let short = |settings: &mut Settings| settings.auth.session_ttl = Duration::from_millis(800);
    let first = nodes.node_with(short);
    let session = connect(&first).await;
    assert_eq!(list(&session).await.status, 200);
    let over = nodes.eventually_stored("the session to expire", |stored| {
        stored.iter().all(|(_, life)| life.is_zero())
    });
    over.await;
    drop(first);
    let restarted = nodes.node_with(short);
    assert!(
        list(&session.at(&restarted.http("")))
            .await
            .is_unknown_session()
    );
    nodes
        .eventually_stored("the row to be deleted", <[_]>::is_empty)
        .await;
}

#[actix_web::test]
async fn what_nobody_has_proven_is_stored_for_five_minutes_and_then_for_its_life() {
    let nodes = Nodes::new();
    let node = nodes.node();
    let session = connect(&node).await;
    let [(false, life)] = nodes.stored()[..] else {
        panic!("one unauthenticated session");
    };
    assert!(life <= PENDING_TTL && life > PENDING_TTL / 2, "{life:?}");
    let second = nodes.node();
    let session = session.at(&second.http(""));
    assert_eq!(list(&session).await.status, 200);
    let whole = Settings::default().auth.session_ttl;
    nodes
        .eventually_stored(
            "the stored life of the session",
            |stored| matches!(stored, [(true, life)] if *life <= whole && *life > whole / 2),
        )
        .await;
    // At most one write per minute for it.
    let before = second.db.status().writes;
    for _ in 0..10 {
        assert_eq!(list(&session).await.status, 200);
    }
    assert_eq!(second.db.status().writes, before);
}

#[actix_web::test]
async fn an_address_has_few_sessions_stored_that_are_not_proven() {
    let nodes = Nodes::new();
    let node = nodes.node_with(|settings| {
        settings.limits.unlimited_addresses = Networks::default();
        settings.limits.unproven_sockets_per_address = 3;
    });
    let proven = connect(&node).await;
    assert_eq!(list(&proven).await.status, 200);
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(connect(&node).await);
    }
    nodes
        .eventually_stored("the oldest rows to be deleted", |stored| {
            stored.iter().filter(|(proven, _)| !proven).count() == 3
        })
        .await;
    assert_eq!(list(&proven).await.status, 200);
    assert_eq!(list(&sessions[7]).await.status, 200);
    assert!(list(&sessions[0]).await.is_unknown_session());
}

#[actix_web::test]
async fn a_nonce_of_others_costs_no_look_up() {
    let nodes = Nodes::new();
    let (node, others) = (nodes.node(), nodes.others().node());
    let session = connect(&node).await;
    let looked_up = || node.db.measures().read_time.count();
    // Each server reads the size of its database at the start.
    eventually("the size of the database", || node.db.size().is_some()).await;
    let before = looked_up();
    let request = list_request(&session);
    let foreign = connect(&others).await.session.peer_nonce().to_owned();
    let random = STANDARD.encode([9; 48]);
    // A nonce in the form of the last release, and one that is no nonce.
    let long = STANDARD.encode([9; 111]);
    for nonce in [foreign, random, long, String::from("!")] {
        let request = request.clone().set("x-bsv-auth-your-nonce", nonce.clone());
        assert!(session.send(&request).await.is_unknown_session(), "{nonce}");
    }
    assert_eq!(looked_up(), before);
    // A nonce that the server made and whose session is deleted.
    let lost = Brc104::connect(&node.http("")).await;
    nodes.database.run(r#"DELETE FROM "auth_sessions""#);
    let other = nodes.node();
    eventually("the size of the database", || other.db.size().is_some()).await;
    let before = other.db.measures().read_time.count();
    assert!(list(&lost.at(&other.http(""))).await.is_unknown_session());
    assert_eq!(other.db.measures().read_time.count(), before + 1);
}

fn list_request(session: &Brc104) -> Request {
    session.request("POST", LIST, BODY)
}

#[actix_web::test]
async fn a_server_with_another_key_knows_nothing_of_it() {
    let nodes = Nodes::new();
    let (first, other) = (nodes.node(), nodes.others().node());
    let session = connect(&first).await;
    assert_eq!(list(&session).await.status, 200);
    assert!(
        list(&session.at(&other.http("")))
            .await
            .is_unknown_session()
    );
    assert_eq!(other.state.session_count(), 0);
}

#[actix_web::test]
async fn where_certificates_are_required_sessions_stay_where_they_began() {
    let nodes = Nodes::new();
    let certified = || {
        nodes.node_with(|settings| {
            let section = &mut settings.auth.certificates;
            let certifier = Identity::random().identity_key().to_hex();
            section.certifiers.push(certifier);
            section.types.insert(STANDARD.encode([7; 32]), Vec::new());
        })
    };
    let (first, second) = (certified(), certified());
    let session = connect(&first).await;
    assert!(
        list(&session.at(&second.http("")))
            .await
            .is_unknown_session()
    );
    assert_eq!(second.state.session_count(), 0);
    assert_eq!(nodes.database.count("auth_sessions"), 0);
}

#[actix_web::test]
async fn sessions_of_sockets_are_not_stored() {
    let nodes = Nodes::new();
    let (first, second) = (nodes.node(), nodes.node());
    let socket = AuthSocketClient::authenticated(first.address).await;
    assert_eq!(nodes.database.count("auth_sessions"), 0);
    // An HTTP request cannot name one either.
    let named: Value = serde_json::from_str(&socket.signed("x", &json!(1))).unwrap();
    let of_socket = named["yourNonce"].as_str().unwrap();
    let session = Brc104::connect_as(&first.http(""), Arc::clone(&socket.identity)).await;
    for node in [&first, &second] {
        let request = list_request(&session).set("x-bsv-auth-your-nonce", of_socket);
        assert!(
            session
                .send_to(&node.http(""), &request)
                .await
                .is_unknown_session()
        );
    }
}

#[actix_web::test]
async fn what_does_not_verify_is_not_kept_and_has_used_nothing_up() {
    let nodes = Nodes::new();
    let (first, second) = (nodes.node(), nodes.node());
    let session = connect(&first).await.at(&second.http(""));
    let good = list_request(&session);
    let somebody = Identity::random().identity_key().to_hex();
    let swapped = |text: &str| {
        let mut text = text.to_owned();
        let last = text.pop();
        text.push(if last == Some('0') { '1' } else { '0' });
        text
    };
    let signature = good.get("x-bsv-auth-signature");
    let own_key = good.get("x-bsv-auth-identity-key");
    let nonce = session.session.peer_nonce().to_owned();
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
            .set("x-bsv-auth-your-nonce", nonce.split_at(60).0),
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
async fn taking_up_counts_as_a_handshake_and_keeps_to_the_limits_of_sessions() {
    let nodes = Nodes::new();
    let first = nodes.node();
    let second =
        nodes.node_with(|settings| settings.auth.max_sessions_per_identity = 2.try_into().unwrap());
    let identity = Arc::new(Identity::random());
    for _ in 0..4 {
        let session = Brc104::connect_as(&first.http(""), Arc::clone(&identity)).await;
        assert_eq!(list(&session.at(&second.http(""))).await.status, 200);
    }
    assert_eq!(second.state.session_count(), 2);
    let strict = nodes.node_with(|settings| {
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
        assert!(taken < 500, "no request was refused");
    }
    assert!(taken > 0);
}

#[actix_web::test]
async fn without_a_database_sessions_go_on_where_they_began() {
    let nodes = Nodes::new();
    let (first, second) = (nodes.node(), nodes.node());
    nodes
        .database
        .run(r#"ALTER TABLE "auth_sessions" RENAME TO "gone""#);
    let session = connect(&first).await;
    assert_eq!(list(&session).await.status, 200);
    let answer = session
        .send_to(&second.http(""), &list_request(&session))
        .await;
    assert!(answer.is_unknown_session());
    nodes
        .database
        .run(r#"ALTER TABLE "gone" RENAME TO "auth_sessions""#);
    // The server does nothing that it cannot count. The client shakes hands again.
    assert!(
        session
            .send(&send(&session, "1"))
            .await
            .is_unknown_session()
    );
    let session = connect(&first).await;
    assert_eq!(session.send(&send(&session, "1")).await.status, 200);
}

/// Answers the server's handshake.
async fn prove(client: &mut AuthSocketClient) {
    let request = client.auth_message().await;
    let message: Value = serde_json::from_str(&request).unwrap();
    assert_eq!(message["messageType"], "initialRequest");
    let request = AuthMessage::parse(&request).unwrap();
    let Handled::Reply(answer) = client.peer.handle(&request).unwrap() else {
        panic!("an answer");
    };
    client.send_auth(&answer).await;
}

#[actix_web::test]
async fn a_frame_of_another_nodes_socket_proves_nothing_and_does_nothing() {
    let nodes = Nodes::new();
    let (first, second) = (nodes.node(), nodes.node());
    let identity = Arc::new(Identity::random());
    let lost = AuthSocketClient::authenticated_as(first.address, Arc::clone(&identity)).await;
    let room = lost.room("inbox");
    let message = json!({"messageId": "late", "body": "x"});
    let late = lost.signed(
        "sendMessage",
        &json!({"roomId": room.as_str(), "message": message}),
    );
    let mut back = AuthSocketClient::connect(second.address, identity).await;
    back.send_auth(&late).await;
    prove(&mut back).await;
    let refused = || second.service.counters.refused.load(Ordering::Relaxed);
    eventually("the refusal", || refused() == 1).await;
    assert_eq!(nodes.database.count("messages"), 0);
}

#[actix_web::test]
async fn session_nonces_differ() {
    let server = TestServer::start();
    let mut nonces = HashSet::new();
    for _ in 0..20 {
        assert!(nonces.insert(connect(&server).await.session.peer_nonce().to_owned()));
    }
}
