//! Requests without a valid signature, handshakes that are wrong, and missing certificates.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use messagebox::auth::{Identity, message_nonce, sha256};
use messagebox::config::Settings;
use serde_json::{Value, json};

use crate::support::brc104::Request;
use crate::support::documents::Documents;

use super::{KEY, Stage, plain, request, right};

pub async fn unauthenticated(documents: &mut Documents, stage: &Stage) {
    let strip = |mut request: Request| {
        request
            .headers
            .retain(|(name, _)| !name.starts_with("x-bsv-auth"));
        request
    };
    for (method, target, body) in right(KEY) {
        let good = request(&stage.alice, method, &target, &body);
        let forged = good.clone().set("x-bsv-auth-nonce", "bm9uY2U=");
        for (wrong, code) in [(strip(good), "UNAUTHORIZED"), (forged, "ERR_AUTH_FAILED")] {
            let answer = stage.alice.send(&wrong).await;
            assert_eq!(
                (answer.status, answer.code(), answer.signed),
                (401, code, false),
                "{target}"
            );
            documents.hold(method, &target, &answer);
            let path = target.split('?').next().unwrap();
            let documented = documents.description(method, path, 401, code);
            assert_eq!(answer.json["description"], documented);
        }
    }
}

pub async fn wrong_handshakes(documents: &mut Documents, stage: &Stage) {
    let path = "/.well-known/auth";
    let nonce = Identity::random().create_nonce(rand::random()).unwrap();
    let good = json!({
        "version": "0.1", "messageType": "initialRequest", "identityKey": KEY, "initialNonce": nonce,
    });
    let answer = plain(stage, path, &[], &good.to_string()).await;
    assert_eq!(
        (answer.status, &answer.json["messageType"]),
        (200, &json!("initialResponse"))
    );
    documents.hold("POST", path, &answer);
    let with = |field: &str, value: Value| {
        let mut message = good.clone();
        message[field] = value;
        message.to_string()
    };
    for body in [
        String::new(),
        "[]".to_owned(),
        with("version", json!("1.0")),
        with("messageType", json!("hello")),
        with("identityKey", json!("x")),
        with("identityKey", json!(7)),
        with("initialNonce", json!("")),
        with("initialNonce", Value::Null),
    ] {
        let answer = plain(stage, path, &[], &body).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "ERR_INVALID_AUTH_MESSAGE"),
            "{body}"
        );
        documents.hold("POST", path, &answer);
    }
    let large = plain(stage, path, &[], &"x".repeat(65_537)).await;
    assert_eq!((large.status, large.code()), (413, "ERR_BODY_TOO_LARGE"));
    documents.hold("POST", path, &large);
}

/// A client signs the body as it is sent, so no route with a body takes an encoded one.
pub async fn encoded_bodies(documents: &mut Documents, stage: &Stage) {
    for (method, target, body) in right(KEY) {
        if method == "POST" {
            let encoded = request(&stage.alice, method, &target, &body);
            let answer = stage
                .alice
                .send(&encoded.set("content-encoding", "gzip"))
                .await;
            assert_eq!((answer.status, answer.code()), (415, "ERR_AUTH_BODY"));
            documents.hold(method, &target, &answer);
        }
    }
}

/// Requires certificates that nobody has.
pub fn require_certificates(settings: &mut Settings) {
    let required = &mut settings.auth.certificates;
    required.certifiers.push(KEY.to_owned());
    let certificate_type = STANDARD.encode([7; 32]);
    required
        .types
        .insert(certificate_type, vec!["name".to_owned()]);
    required.timeout = Duration::from_millis(50);
}

/// Presents a signed message whose certificate is no certificate.
pub async fn bring_a_wrong_certificate(stage: &Stage) {
    let (session, nonce) = (&stage.alice.session, message_nonce());
    let certificates = "[{}]";
    let signature = session.sign(&nonce, &sha256(certificates.as_bytes()));
    let response = json!({
        "version": "0.1", "messageType": "certificateResponse",
        "identityKey": stage.alice.identity.identity_key().to_hex(), "nonce": nonce,
        "initialNonce": session.own_nonce(), "yourNonce": session.peer_nonce(),
        "certificates": [{}], "signature": signature.unwrap().to_vec(),
    });
    let refused = plain(stage, "/.well-known/auth", &[], &response.to_string()).await;
    assert_eq!((refused.status, refused.code()), (401, "ERR_AUTH_FAILED"));
}

pub async fn missing_certificates(documents: &mut Documents) {
    let stage = Stage::set(require_certificates).await;
    for (method, target, body) in right(KEY) {
        let answer = stage
            .alice
            .send(&request(&stage.alice, method, &target, &body))
            .await;
        assert_eq!((answer.status, answer.signed), (408, false), "{target}");
        assert_eq!(answer.code(), "CERTIFICATE_TIMEOUT");
        assert_eq!(answer.json["message"], answer.json["description"]);
        documents.hold(method, &target, &answer);
    }
    let path = "/.well-known/auth";
    let session = &stage.alice.session;
    let nonce = message_nonce();
    let signature = session.sign(&nonce, &sha256(b"[]")).unwrap();
    let response = json!({
        "version": "0.1", "messageType": "certificateResponse",
        "identityKey": stage.alice.identity.identity_key().to_hex(), "nonce": nonce,
        "initialNonce": session.own_nonce(), "yourNonce": session.peer_nonce(),
        "certificates": [], "signature": signature.to_vec(),
    });
    let mut forged = response.clone();
    forged["nonce"] = json!(message_nonce());
    let nothing = plain(&stage, path, &[], &response.to_string()).await;
    assert_eq!(
        (nothing.status, &nothing.json),
        (400, &json!({"status": "No certificates provided"}))
    );
    documents.hold("POST", path, &nothing);
    bring_a_wrong_certificate(&stage).await;
    for (method, target, body) in right(KEY) {
        let request = request(&stage.alice, method, &target, &body);
        let answer = stage.alice.send(&request).await;
        assert_eq!((answer.status, answer.signed), (403, true), "{target}");
        assert_eq!(answer.code(), "ERR_CERTIFICATE_REFUSED");
        assert_eq!(answer.json["message"], answer.json["description"]);
        documents.hold(method, &target, &answer);
    }
    let refused = plain(&stage, path, &[], &forged.to_string()).await;
    assert_eq!((refused.status, refused.code()), (401, "ERR_AUTH_FAILED"));
    documents.hold("POST", path, &refused);
}
