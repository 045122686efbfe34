//! Handshakes and signatures of requests, and every way in which they can be wrong.

use messagebox::auth::Identity;
use serde_json::{Value, json};

use crate::support::brc104::{Brc104, Request};
use crate::support::polling::client;
use crate::support::server::TestServer;

use super::{connect, message};

#[actix_web::test]
async fn wrong_authentication_is_an_unsigned_401_and_changes_nothing() {
    let server = TestServer::start();
    let (alice, mallory) = (connect(&server).await, connect(&server).await);
    let list =
        |party: &Brc104| party.request("POST", "/listMessages?a=b", r#"{"messageBox":"inbox"}"#);
    let edit = |change: &dyn Fn(Request) -> Request| change(list(&alice));
    let other_server = TestServer::start();
    let foreign = connect(&other_server).await;
    let mallory_key = mallory.identity.identity_key().to_hex();
    let cases: Vec<(&str, Request, &str)> = vec![
        (
            "version",
            edit(&|r| r.set("x-bsv-auth-version", "1.0")),
            "Received: 1.0, expected: 0.1",
        ),
        (
            "no version",
            edit(&|r| r.without("x-bsv-auth-version")),
            "x-bsv-auth-version",
        ),
        (
            "no key",
            edit(&|r| r.without("x-bsv-auth-identity-key")),
            "x-bsv-auth-identity-key",
        ),
        (
            "no nonce",
            edit(&|r| r.without("x-bsv-auth-nonce")),
            "x-bsv-auth-nonce",
        ),
        (
            "no session",
            edit(&|r| r.without("x-bsv-auth-your-nonce")),
            "x-bsv-auth-your-nonce",
        ),
        (
            "no signature",
            edit(&|r| r.without("x-bsv-auth-signature")),
            "x-bsv-auth-signature",
        ),
        (
            "no request id",
            edit(&|r| r.without("x-bsv-auth-request-id")),
            "x-bsv-auth-request-id",
        ),
        (
            "short request id",
            edit(&|r| r.set("x-bsv-auth-request-id", "AAAA")),
            "32 bytes",
        ),
        (
            "another request id",
            edit(&|r| r.set("x-bsv-auth-request-id", "A".repeat(43) + "=")),
            "Signature",
        ),
        (
            "signature",
            edit(&|r| r.set("x-bsv-auth-signature", "3006020101020101")),
            "Signature is not valid",
        ),
        (
            "no DER",
            edit(&|r| r.set("x-bsv-auth-signature", "00ff")),
            "Signature",
        ),
        (
            "no hex",
            edit(&|r| r.set("x-bsv-auth-signature", "zz")),
            "Signature",
        ),
        (
            "nonce",
            edit(&|r| r.set("x-bsv-auth-nonce", "AAAA")),
            "Signature is not valid",
        ),
        (
            "unknown session",
            edit(&|r| r.set("x-bsv-auth-your-nonce", "AAAA")),
            "Session not found for nonce: AAAA",
        ),
        (
            "key of another",
            edit(&|r| r.set("x-bsv-auth-identity-key", mallory_key.clone())),
            "not the session's",
        ),
        (
            "no key at all",
            edit(&|r| r.set("x-bsv-auth-identity-key", "nonsense")),
            "not the session's",
        ),
        (
            "session of another",
            edit(&|r| r.set("x-bsv-auth-your-nonce", mallory.session.peer_nonce())),
            "not the session's",
        ),
        (
            "session of another server",
            list(&foreign),
            "Session not found for nonce",
        ),
        (
            "method",
            edit(&|r| Request {
                method: "PUT".into(),
                ..r
            }),
            "Signature",
        ),
        (
            "path",
            edit(&|r| Request {
                target: "/sendMessage?a=b".into(),
                ..r
            }),
            "Signature",
        ),
        (
            "slashes",
            edit(&|r| Request {
                target: "//listMessages?a=b".into(),
                ..r
            }),
            "Signature",
        ),
        (
            "query",
            edit(&|r| Request {
                target: "/listMessages?a=c".into(),
                ..r
            }),
            "Signature",
        ),
        (
            "no query",
            edit(&|r| Request {
                target: "/listMessages".into(),
                ..r
            }),
            "Signature",
        ),
        (
            "body",
            edit(&|r| Request {
                body: br#"{"messageBox":"other"}"#.to_vec(),
                ..r
            }),
            "Signature",
        ),
        (
            "content type",
            edit(&|r| r.set("content-type", "text/plain")),
            "Signature",
        ),
        (
            "added header",
            edit(&|r| r.set("x-bsv-payment", "1")),
            "Signature",
        ),
    ];
    for (what, request, description) in cases {
        let answer = alice.send(&request).await;
        assert_eq!(
            (answer.status, answer.code(), answer.signed),
            (401, "ERR_AUTH_FAILED", false),
            "{what}"
        );
        let given = answer.json["description"].as_str().unwrap();
        assert!(given.contains(description), "{what}: {given}");
        assert_eq!(answer.header("x-bsv-auth-signature"), None, "{what}");
    }
    let mut twice = list(&alice);
    twice
        .headers
        .push(("x-bsv-auth-nonce".into(), "AAAA".into()));
    assert_eq!(alice.send(&twice).await.status, 401);
    assert_eq!(alice.send(&list(&alice)).await.status, 200);
}

#[actix_web::test]
async fn without_authentication_there_is_one_answer() {
    let server = TestServer::start();
    for (method, path) in [
        ("POST", "/sendMessage"),
        ("GET", "/"),
        ("GET", "/nothing"),
        ("DELETE", "/x?y"),
    ] {
        let request = client().request(method.parse().unwrap(), server.http(path));
        let mut response = request.send().await.unwrap();
        assert_eq!(response.status(), 401, "{path}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(
            body,
            json!({
                "status": "error", "code": "UNAUTHORIZED",
                "description": "Mutual-authentication failed! Missing header: x-bsv-auth-version. Requests are signed as in BRC-104.",
                "message": "Mutual-authentication failed!",
            })
        );
    }
}

#[actix_web::test]
async fn a_replay_is_refused() {
    let server = TestServer::start();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let request = alice.request("POST", "/sendMessage", message(&bob, "1", &json!("once")));
    assert_eq!(alice.send(&request).await.status, 200);
    let replay = alice.send(&request).await;
    assert_eq!((replay.status, replay.signed), (401, false));
    assert!(
        replay.json["description"]
            .as_str()
            .unwrap()
            .contains("used before")
    );
}

#[actix_web::test]
async fn malformed_handshakes_are_400_with_the_documented_shape() {
    let server = TestServer::start();
    let key = Identity::random().identity_key().to_hex();
    let good = json!({"version": "0.1", "messageType": "initialRequest", "identityKey": key, "initialNonce": "A".repeat(64)});
    let with = |field: &str, value: Value| {
        let mut changed = good.clone();
        changed[field] = value;
        changed.to_string()
    };
    let cases = [
        String::new(),
        "{".into(),
        "[]".into(),
        "null".into(),
        with("version", json!("1.0")),
        with("version", json!(0.1)),
        with("messageType", json!("general")),
        with("messageType", json!("hello")),
        with("identityKey", json!("02")),
        with("identityKey", json!(null)),
        with("identityKey", json!(server.identity_key.to_hex())),
        with("initialNonce", json!("")),
        with("initialNonce", json!("!!!!")),
        with("initialNonce", json!("A".repeat(10_000))),
    ];
    for body in cases {
        let request = client().post(server.http("/.well-known/auth"));
        let mut response = request.send_body(body.clone()).await.unwrap();
        assert_eq!(response.status(), 400, "{body}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["status"], "error", "{body}");
        assert!(
            answer["code"].is_string() && answer["description"].is_string(),
            "{body}"
        );
    }
    let mut response = client()
        .post(server.http("/.well-known/auth"))
        .send_body(good.to_string())
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let header = response.headers().get("x-bsv-auth-message-type").cloned();
    assert_eq!(header.unwrap(), "initialResponse");
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["yourNonce"], good["initialNonce"]);
    assert_eq!(
        client()
            .get(server.http("/.well-known/auth"))
            .send()
            .await
            .unwrap()
            .status(),
        405
    );
}

/// Without an answer, a client that requests the server's certificates waits for half a minute.
#[actix_web::test]
async fn a_request_for_certificates_is_answered_with_none() {
    use messagebox::auth::{AuthMessage, MessageType, message_nonce, sha256};

    let server = TestServer::start();
    let alice = connect(&server).await;
    let requested = r#"{"certifiers":[],"types":{}}"#;
    let ask = |signed: &str| {
        let nonce = message_nonce();
        let signature = alice
            .session
            .sign(&nonce, &sha256(signed.as_bytes()))
            .unwrap();
        let mut message = json!({
            "version": "0.1", "messageType": "certificateRequest",
            "identityKey": alice.identity.identity_key().to_hex(), "nonce": nonce,
            "initialNonce": alice.session.own_nonce(), "yourNonce": alice.session.peer_nonce(),
            "signature": signature.to_vec(),
        });
        message["requestedCertificates"] = serde_json::from_str(requested).unwrap();
        message.to_string()
    };
    let post = async |body: String| {
        let request = client()
            .post(server.http("/.well-known/auth"))
            .insert_header(("content-type", "application/json"));
        let mut answer = request.send_body(body).await.unwrap();
        let text = String::from_utf8(answer.body().await.unwrap().to_vec()).unwrap();
        (answer.status().as_u16(), text)
    };
    let (status, text) = post(ask(requested)).await;
    assert_eq!(status, 200, "{text}");
    let message = AuthMessage::parse(&text).unwrap();
    assert_eq!(message.kind, MessageType::CertificateResponse);
    assert_eq!(message.identity_key, server.identity_key.to_hex());
    assert_eq!(
        message.initial_nonce.as_deref(),
        Some(alice.session.peer_nonce())
    );
    assert_eq!(
        message.your_nonce.as_deref(),
        Some(alice.session.own_nonce())
    );
    assert_eq!(
        alice.session.verify_certificate_response(&message),
        Ok("[]")
    );
    // The request must be signed, and counts once.
    let (status, text) = post(ask("other")).await;
    assert_eq!(status, 401, "{text}");
    let again = ask(requested);
    assert_eq!(post(again.clone()).await.0, 200);
    assert_eq!(post(again).await.0, 401);
}
