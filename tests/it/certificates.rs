//! Certificates that a server requires, issued and shown with the SDK: over HTTP and on sockets.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bsv::auth::certificates::master::{MasterCertificate, default_get_revocation_outpoint};
use bsv::primitives::private_key::PrivateKey;
use bsv::primitives::public_key::PublicKey;
use bsv::wallet::interfaces::CertificateType;
use bsv::wallet::proto_wallet::ProtoWallet;
use futures_util::FutureExt as _;
use messagebox::auth::{
    Counterparty, Identity, KeyId, Protocol, Session, SharedPayload, message_nonce, sha256,
};
use messagebox::config::Settings;
use messagebox::ids::IdentityKey;
use serde_json::{Value, json};

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::{Brc104, Request};
use crate::support::polling::client;
use crate::support::server::TestServer;
use crate::support::{PATIENCE, eventually, within};

const TYPE: [u8; 32] = [7; 32];
const LIST: &str = "/listMessages";
const BODY: &str = r#"{"messageBox":"inbox"}"#;

/// A party that both libraries know.
struct Party {
    identity: Arc<Identity>,
    wallet: ProtoWallet,
}

impl Party {
    fn new() -> Self {
        let secret: [u8; 32] = rand::random();
        Self {
            identity: Arc::new(Identity::from_bytes(secret).unwrap()),
            wallet: ProtoWallet::new(PrivateKey::from_bytes(&secret).unwrap()),
        }
    }

    fn key(&self) -> IdentityKey {
        self.identity.identity_key()
    }
}

fn public(key: IdentityKey) -> PublicKey {
    PublicKey::from_der_bytes(key.as_bytes()).unwrap()
}

/// A server that requires certificates, and who may issue them.
struct Scene {
    server: TestServer,
    certifier: Party,
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let certifier = Party::new();
        let server = TestServer::with(|settings| {
            let section = &mut settings.auth.certificates;
            section.certifiers.push(certifier.key().to_hex());
            let fields = ["name", "Email"].map(str::to_owned).to_vec();
            section.types.insert(STANDARD.encode(TYPE), fields);
            section.require_field.push("name=Alice".to_owned());
            change(settings);
        });
        Self { server, certifier }
    }

    /// Of a server that waits no longer than a test can.
    fn impatient() -> Self {
        Self::with(|settings| settings.auth.certificates.timeout = Duration::from_millis(300))
    }

    fn certificate(
        &self,
        certifier: &Party,
        subject: &Party,
        name: &str,
        reveal: &[&str],
    ) -> Value {
        let fields = [
            ("name", name),
            ("Email", "alice@example.com"),
            ("age", "30"),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let master = MasterCertificate::issue_certificate_for_subject(
            &CertificateType(TYPE),
            &public(subject.key()),
            fields.into_iter().collect(),
            &certifier.wallet,
            default_get_revocation_outpoint,
            None,
        )
        .now_or_never()
        .unwrap()
        .unwrap();
        let reveal: Vec<String> = reveal.iter().map(|name| (*name).to_owned()).collect();
        let keyring = master
            .create_keyring_for_verifier(
                &public(self.server.identity_key),
                &reveal,
                &public(certifier.key()),
                &subject.wallet,
            )
            .now_or_never()
            .unwrap()
            .unwrap();
        let mut json = serde_json::to_value(&master.certificate).unwrap();
        json["keyring"] = serde_json::to_value(keyring).unwrap();
        json
    }

    /// What `subject` must bring.
    fn valid(&self, subject: &Party) -> String {
        let certificate = self.certificate(&self.certifier, subject, "Alice", &["name", "Email"]);
        json!([certificate]).to_string()
    }

    /// Everything that is not enough, and a word of the reason.
    fn invalid(&self, subject: &Party) -> Vec<(&'static str, String)> {
        let all = ["name", "Email"];
        let (own, other) = (&self.certifier, Party::new());
        let mut forged = self.certificate(&other, subject, "Alice", &all);
        forged["certifier"] = json!(own.key().to_hex());
        let cases = [
            (
                "certifier",
                self.certificate(&other, subject, "Alice", &all),
            ),
            ("signature", forged),
            ("sender", self.certificate(own, &other, "Alice", &all)),
            ("reveal", self.certificate(own, subject, "Alice", &["name"])),
            ("required", self.certificate(own, subject, "Bob", &all)),
        ];
        cases
            .into_iter()
            .map(|(word, certificate)| (word, json!([certificate]).to_string()))
            .collect()
    }

    async fn http(&self, party: &Party) -> Brc104 {
        Brc104::connect_as(&self.server.http(""), Arc::clone(&party.identity)).await
    }

    /// Hands a `certificateResponse` in.
    async fn bring(&self, json: &str) -> (u16, Value) {
        let request = client().post(self.server.http("/.well-known/auth"));
        let mut response = request.send_body(json.to_owned()).await.unwrap();
        let body = response.body().await.unwrap();
        assert!(!response.headers().contains_key("x-bsv-auth-signature"));
        let json = serde_json::from_slice(&body).unwrap();
        (response.status().as_u16(), json)
    }

    fn refused(&self) -> u64 {
        self.server.service.counters.refused.load(Ordering::Relaxed)
    }
}

/// A `certificateResponse` on a session over HTTP.
fn response(session: &Session, party: &Party, certificates: &str) -> String {
    let nonce = message_nonce();
    let signature = session
        .sign(&nonce, &sha256(certificates.as_bytes()))
        .unwrap();
    message(
        party,
        &nonce,
        session.peer_nonce(),
        &signature,
        &format!(r#""messageType":"certificateResponse","certificates":{certificates}"#),
    )
}

fn message(party: &Party, nonce: &str, your_nonce: &str, signature: &[u8], rest: &str) -> String {
    format!(
        r#"{{"version":"0.1","identityKey":"{}","nonce":"{nonce}","yourNonce":"{your_nonce}",{rest},"signature":{}}}"#,
        party.key(),
        serde_json::to_string(signature).unwrap()
    )
}

#[actix_web::test]
async fn over_http_a_certificate_opens_the_session() {
    let scene = Scene::new();
    let alice = Party::new();
    let http = scene.http(&alice).await;
    let answer = scene
        .bring(&response(&http.session, &alice, &scene.valid(&alice)))
        .await;
    assert_eq!(answer, (200, json!({ "status": "success" })));
    let answer = http.post(LIST, BODY).await;
    assert_eq!(
        (answer.status, answer.signed),
        (200, true),
        "{:?}",
        answer.json
    );
    // Another session is another matter, but certificates may be shown again.
    let other = scene.http(&alice).await;
    let again = response(&other.session, &alice, &scene.valid(&alice));
    assert_eq!(scene.bring(&again).await.0, 200);
    assert_eq!(other.post(LIST, BODY).await.status, 200);
}

#[actix_web::test]
async fn a_handshake_asks_for_the_certificates() {
    let scene = Scene::new();
    let request = client().post(scene.server.http("/.well-known/auth"));
    let handshake = json!({
        "version": "0.1",
        "messageType": "initialRequest",
        "identityKey": Party::new().key().to_hex(),
        "initialNonce": message_nonce(),
    });
    let mut answer = request.send_body(handshake.to_string()).await.unwrap();
    let header = answer
        .headers()
        .get("x-bsv-auth-requested-certificates")
        .unwrap();
    let header: Value = serde_json::from_slice(header.as_bytes()).unwrap();
    let expected = json!({
        "certifiers": [scene.certifier.key().to_hex()],
        "types": { STANDARD.encode(TYPE): ["Email", "name"] },
    });
    assert_eq!(header, expected);
    let body: Value = serde_json::from_slice(&answer.body().await.unwrap()).unwrap();
    assert_eq!(body["requestedCertificates"], expected);
}

#[actix_web::test]
async fn over_http_what_does_not_fit_is_refused_and_opens_nothing() {
    let scene = Scene::impatient();
    let alice = Party::new();
    let http = scene.http(&alice).await;
    for (word, certificates) in scene.invalid(&alice) {
        let (status, body) = scene
            .bring(&response(&http.session, &alice, &certificates))
            .await;
        assert_eq!(
            (status, &body["code"]),
            (401, &json!("ERR_AUTH_FAILED")),
            "{word}"
        );
        assert_eq!(body["status"], "error");
        assert!(
            body["description"].as_str().unwrap().contains(word),
            "{word}: {body}"
        );
    }
    // Who brings none may still look for one, and is waited for.
    let none = scene.bring(&response(&http.session, &alice, "[]")).await;
    assert_eq!(none, (400, json!({ "status": "No certificates provided" })));
    let bob = scene.http(&Party::new()).await;
    for (client, expected) in [
        (&http, (403, "ERR_CERTIFICATE_REFUSED", true)),
        (&bob, (408, "CERTIFICATE_TIMEOUT", false)),
    ] {
        let answer = client.post(LIST, BODY).await;
        assert_eq!((answer.status, answer.code(), answer.signed), expected);
        assert_eq!(answer.json["status"], "error");
        assert_eq!(answer.json["message"], answer.json["description"]);
        assert!(answer.json["message"].is_string());
    }
    // A refusal is not the end: the right certificate opens the session.
    let brought = response(&http.session, &alice, &scene.valid(&alice));
    assert_eq!(scene.bring(&brought).await.0, 200);
    assert_eq!(http.post(LIST, BODY).await.status, 200);
}

#[actix_web::test]
async fn over_http_a_request_that_waits_is_told_at_once_why_its_certificates_are_refused() {
    let scene = Scene::with(|settings| {
        settings.server.workers = 1;
        settings.auth.certificates.timeout = 10 * PATIENCE;
    });
    let alice = Party::new();
    let (_, wrong) = scene.invalid(&alice).pop().unwrap();
    let http = scene.http(&alice).await;
    let request = http.request("POST", LIST, BODY);
    let first = http.send(&request);
    let then = async {
        // One worker takes connections in order: when it answers these, it has seen the request.
        for _ in 0..3 {
            scene.http(&Party::new()).await;
        }
        let brought = response(&http.session, &alice, &wrong);
        assert_eq!(scene.bring(&brought).await.0, 401);
    };
    let (answer, ()) = within("the request", futures_util::future::join(first, then)).await;
    let expected = "The certificate's field \"name\" is not what is required";
    assert_eq!(
        (answer.status, answer.code(), answer.signed),
        (403, "ERR_CERTIFICATE_REFUSED", true)
    );
    assert_eq!(answer.json["description"], expected);
    // One that comes behind the refusal is told so too.
    let late = within("a later one", http.post(LIST, BODY)).await;
    assert_eq!(
        (late.status, &late.json["message"]),
        (403, &json!(expected))
    );
}

#[actix_web::test]
async fn over_http_only_the_session_s_own_party_brings_certificates_and_once() {
    let scene = Scene::impatient();
    let (alice, mallory) = (Party::new(), Party::new());
    let (http, foreign) = (scene.http(&alice).await, scene.http(&mallory).await);
    let valid = scene.valid(&alice);
    let good = response(&http.session, &alice, &valid);
    let changed = |field: &str, value: Value| {
        let mut message: Value = serde_json::from_str(&good).unwrap();
        message[field] = value;
        message.to_string()
    };
    let mut cases = vec![
        response(&http.session, &mallory, &valid),
        // Signed by Mallory on a session of Alice, and shown on Mallory's own.
        response(&foreign.session, &mallory, &valid)
            .replace(foreign.session.peer_nonce(), http.session.peer_nonce()),
        response(&foreign.session, &mallory, &valid),
        changed("yourNonce", json!(message_nonce())),
        changed("nonce", json!(message_nonce())),
        changed("signature", json!([48, 0])),
        good.replace(&valid, &scene.valid(&alice)),
    ];
    for field in ["nonce", "yourNonce", "certificates", "signature"] {
        cases.push(changed(field, Value::Null));
    }
    for case in cases {
        let (status, body) = scene.bring(&case).await;
        assert_eq!(
            (status, &body["code"]),
            (401, &json!("ERR_AUTH_FAILED")),
            "{case}"
        );
    }
    assert_eq!(http.post(LIST, BODY).await.status, 408);
    // It was Mallory who brought what is not hers, on her own session.
    assert_eq!(foreign.post(LIST, BODY).await.status, 403);
    assert_eq!(scene.bring(&good).await.0, 200);
    assert_eq!(scene.bring(&good).await.0, 401, "a replay");
    assert_eq!(http.post(LIST, BODY).await.status, 200);
}

#[actix_web::test]
async fn over_http_a_request_waits_for_the_certificates() {
    let scene = Scene::with(|settings| settings.server.workers = 1);
    let alice = Party::new();
    let http = scene.http(&alice).await;
    let request = http.request("POST", LIST, BODY);
    let first = http.send(&request);
    let then = async {
        // One worker takes connections in order: when it answers these, it has seen the request.
        for _ in 0..3 {
            scene.http(&Party::new()).await;
        }
        let brought = response(&http.session, &alice, &scene.valid(&alice));
        assert_eq!(scene.bring(&brought).await.0, 200);
    };
    let (answer, ()) = within("the request", futures_util::future::join(first, then)).await;
    assert_eq!((answer.status, answer.signed), (200, true));
}

#[actix_web::test]
async fn strangers_requests_do_not_wait() {
    let scene = Scene::new();
    let http = scene.http(&Party::new()).await;
    let forged = Request {
        body: b"{}".to_vec(),
        ..http.request("POST", LIST, BODY)
    };
    // The server would wait for longer than this test does.
    assert_eq!(http.send(&forged).await.status, 401);
}

/// An AuthSocket client that can say what the other one's types do not allow for.
struct SocketClient {
    party: Party,
    inner: AuthSocketClient,
    /// The server's session nonce.
    server_nonce: String,
}

impl SocketClient {
    async fn connect(scene: &Scene, party: Party) -> Self {
        let identity = Arc::clone(&party.identity);
        Self {
            inner: AuthSocketClient::connect(scene.server.address, identity).await,
            party,
            server_nonce: String::new(),
        }
    }

    /// Connects and shakes hands; brings nothing yet.
    async fn shaken(scene: &Scene) -> Self {
        Self::shaken_as(scene, Party::new()).await
    }

    async fn shaken_as(scene: &Scene, party: Party) -> Self {
        let mut client = Self::connect(scene, party).await;
        let request = client.inner.peer.start_handshake().unwrap();
        client.inner.send_auth(&request).await;
        let response = client.inner.auth_message().await;
        client.hear(&response);
        client
    }

    async fn certified(scene: &Scene) -> Self {
        let mut client = Self::shaken(scene).await;
        client.bring(scene, &scene.valid(&client.party)).await;
        client.authenticate(scene).await;
        assert_eq!(client.inner.event().await.0, "authenticationSuccess");
        client
    }

    /// Takes a message of a handshake; the answer to it, if it needs one.
    fn hear(&mut self, json: &str) -> Option<Value> {
        let message: Value = serde_json::from_str(json).unwrap();
        message["initialNonce"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.server_nonce);
        let parsed = messagebox::auth::AuthMessage::parse(json).unwrap();
        match self.inner.peer.handle(&parsed).unwrap() {
            messagebox::auth::Handled::Reply(reply) => Some(serde_json::from_str(&reply).unwrap()),
            _ => None,
        }
    }

    fn signed(&self, scene: &Scene, data: &[u8], rest: &str) -> String {
        let server = Counterparty::Other(scene.server.identity_key);
        let keys = self.party.identity.pair(server).unwrap();
        let nonce = message_nonce();
        let key_id = KeyId::Pair(&nonce, &self.server_nonce);
        let signature = keys
            .sign(&Protocol::AUTH_SIGNATURE, key_id, &sha256(data))
            .unwrap();
        message(&self.party, &nonce, &self.server_nonce, &signature, rest)
    }

    fn bringing(&self, scene: &Scene, certificates: &str) -> String {
        let rest = format!(r#""messageType":"certificateResponse","certificates":{certificates}"#);
        self.signed(scene, certificates.as_bytes(), &rest)
    }

    async fn bring(&mut self, scene: &Scene, certificates: &str) {
        let json = self.bringing(scene, certificates);
        self.inner.send_auth(&json).await;
    }

    fn event(&self, scene: &Scene, event: &str, data: &Value) -> String {
        let payload = json!({ "eventName": event, "data": data }).to_string();
        let numbers = SharedPayload::new(payload.clone().into_bytes());
        let rest = format!(r#""messageType":"general","payload":{}"#, numbers.json());
        self.signed(scene, payload.as_bytes(), &rest)
    }

    async fn emit(&mut self, scene: &Scene, event: &str, data: &Value) {
        let json = self.event(scene, event, data);
        self.inner.send_auth(&json).await;
    }

    async fn authenticate(&mut self, scene: &Scene) {
        let json = self.authenticating(scene);
        self.inner.send_auth(&json).await;
    }

    /// Sends an auth message; `false` when the server has cut it off.
    async fn try_send(&mut self, json: &str) -> bool {
        let frame = format!("42[\"authMessage\",{json}]");
        self.inner.websocket.try_send(frame).await
    }

    fn authenticating(&self, scene: &Scene) -> String {
        let key = self.party.key().to_hex();
        self.event(scene, "authenticated", &json!({ "identityKey": key }))
    }

    /// One whom the server has not cut off before it was certified; on a busy machine not the first that tries.
    async fn certified_in_time(scene: &Scene) -> Self {
        loop {
            let party = Party::new();
            let certificates = scene.valid(&party);
            let mut client = Self::shaken_as(scene, party).await;
            let brought = client.bringing(scene, &certificates);
            let authenticated = client.authenticating(scene);
            if client.try_send(&brought).await
                && client.try_send(&authenticated).await
                && client.inner.try_event().await.is_some()
            {
                return client;
            }
        }
    }
}

#[actix_web::test]
async fn on_a_socket_what_comes_before_the_certificates_is_held() {
    let scene = Scene::new();
    let mut bob = SocketClient::certified(&scene).await;
    let mut alice = SocketClient::shaken(&scene).await;
    alice.authenticate(&scene).await;
    let held = &scene.server.service.counters.held;
    eventually("the event held", || held.load(Ordering::Relaxed) == 1).await;
    // A member would be told of this.
    let room = alice.inner.room("inbox");
    bob.inner.send_message(&room, "1", "too early").await;
    assert_eq!(bob.inner.event().await.0, format!("sendMessageAck-{room}"));
    // An ack says that it is stored. What is stored behind it arrives once it has been delivered, too.
    let own = bob.inner.room("inbox");
    bob.inner.send_message(&own, "1", "behind it").await;
    for event in ["sendMessageAck", "sendMessage"] {
        assert_eq!(bob.inner.event().await.0, format!("{event}-{own}"));
    }
    alice.bring(&scene, &scene.valid(&alice.party)).await;
    assert_eq!(alice.inner.event().await.0, "authenticationSuccess");
    bob.inner.send_message(&room, "2", "in time").await;
    let (event, data) = alice.inner.event().await;
    assert_eq!(
        (event, &data["messageId"]),
        (format!("sendMessage-{room}"), &json!("2"))
    );
}

#[actix_web::test]
async fn on_a_socket_only_so_much_is_held() {
    let scene = Scene::with(|settings| settings.auth.max_held_frames = 2);
    let mut alice = SocketClient::shaken(&scene).await;
    for _ in 0..2 {
        alice.authenticate(&scene).await;
    }
    alice
        .emit(
            &scene,
            "joinRoom",
            &json!(alice.inner.room("inbox").as_str()),
        )
        .await;
    alice.bring(&scene, &scene.valid(&alice.party)).await;
    alice.authenticate(&scene).await;
    for _ in 0..3 {
        assert_eq!(alice.inner.event().await.0, "authenticationSuccess");
    }
    assert_eq!(scene.refused(), 1);
}

#[actix_web::test]
async fn on_a_socket_what_does_not_fit_ends_it() {
    let scene = Scene::new();
    for refused in 0..5 {
        let mut client = SocketClient::shaken(&scene).await;
        let (word, certificates) = scene.invalid(&client.party).swap_remove(refused);
        client.authenticate(&scene).await;
        client.bring(&scene, &certificates).await;
        assert!(client.inner.try_event().await.is_none(), "{word}");
        assert_eq!(
            scene.refused(),
            u64::try_from(refused).unwrap() + 1,
            "{word}"
        );
    }
}

#[actix_web::test]
async fn a_socket_without_certificates_is_closed_in_time() {
    let scene = Scene::impatient();
    // Once certified, a socket stays: her time is over before that of the others is.
    let alice = SocketClient::certified_in_time(&scene);
    let mut alice = within("one that is certified", alice).await;
    let mut silent = SocketClient::shaken(&scene).await;
    let mut proven = SocketClient::shaken(&scene).await;
    let authenticated = proven.authenticating(&scene);
    proven.try_send(&authenticated).await;
    let mut empty = SocketClient::shaken(&scene).await;
    let nothing = empty.bringing(&scene, "[]");
    empty.try_send(&nothing).await;
    for client in [&mut silent, &mut proven, &mut empty] {
        assert!(client.inner.try_event().await.is_none());
    }
    alice.authenticate(&scene).await;
    assert_eq!(alice.inner.event().await.0, "authenticationSuccess");
    eventually("the others gone", || scene.server.sockets.len() == 1).await;
}

#[actix_web::test]
async fn the_answer_to_a_handshake_of_the_server_may_bring_certificates() {
    let scene = Scene::with(|settings| settings.auth.revival_delay = Duration::from_millis(20));
    let mut alice = SocketClient::connect(&scene, Party::new()).await;
    let request = alice.inner.auth_message().await;
    let asked: Value = serde_json::from_str(&request).unwrap();
    assert_eq!(asked["messageType"], "initialRequest");
    assert_eq!(
        asked["requestedCertificates"]["certifiers"],
        json!([scene.certifier.key().to_hex()])
    );
    let mut answer = alice.hear(&request).unwrap();
    answer["certificates"] = serde_json::from_str(&scene.valid(&alice.party)).unwrap();
    alice.inner.send_auth(&answer.to_string()).await;
    assert_eq!(alice.inner.event().await.0, "keepAlive");
    alice.authenticate(&scene).await;
    assert_eq!(alice.inner.event().await.0, "authenticationSuccess");

    let mut mallory = SocketClient::connect(&scene, Party::new()).await;
    let request = mallory.inner.auth_message().await;
    let mut answer = mallory.hear(&request).unwrap();
    answer["certificates"] = serde_json::from_str(&scene.valid(&alice.party)).unwrap();
    mallory.inner.send_auth(&answer.to_string()).await;
    assert!(mallory.inner.try_event().await.is_none());
}
