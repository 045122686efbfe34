//! Certificates that a server requires, issued and shown with the SDK: over HTTP and on sockets.

mod sockets;

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
use messagebox::auth::{Identity, Session, message_nonce, sha256};
use messagebox::config::Settings;
use messagebox::ids::IdentityKey;
use serde_json::{Value, json};

use crate::support::brc104::{Brc104, Request};
use crate::support::polling::client;
use crate::support::server::TestServer;
use crate::support::{PATIENCE, within};

const TYPE: [u8; 32] = [7; 32];
const LIST: &str = "/listMessages";
const BODY: &str = r#"{"messageBox":"inbox"}"#;

/// A party with its keys in both libraries.
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

/// A server that requires certificates, and their certifier.
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

    /// With a server whose time limit is short enough for a test.
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

    /// The certificates that `subject` must present.
    fn valid(&self, subject: &Party) -> String {
        let certificate = self.certificate(&self.certifier, subject, "Alice", &["name", "Email"]);
        json!([certificate]).to_string()
    }

    /// Every kind of insufficient certificates, with a word of the reason.
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

    /// Posts a `certificateResponse`. Returns status and body.
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

/// A `certificateResponse` for an HTTP session.
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
    // Another session needs certificates of its own, which may be the same ones.
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
    // A client without certificates may still look for one. The server waits for it.
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
    // After a refusal, the right certificate still opens the session.
    let brought = response(&http.session, &alice, &scene.valid(&alice));
    assert_eq!(scene.bring(&brought).await.0, 200);
    assert_eq!(http.post(LIST, BODY).await.status, 200);
}

#[actix_web::test]
async fn over_http_a_waiting_request_fails_at_once_with_the_reason_when_certificates_are_refused() {
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
        // One worker accepts connections in order. When it answers these, it has read the request.
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
    // A request after the refusal gets the same answer.
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
        // Signed by Mallory in a session of Alice, and shown in Mallory's own.
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
    // Mallory presented certificates of another party in her own session.
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
        // One worker accepts connections in order. When it answers these, it has read the request.
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
    // If the server waited, this test would time out.
    assert_eq!(http.send(&forged).await.status, 401);
}
