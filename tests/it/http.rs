//! HTTP: handshakes, authentication, routes, and every way in which a request can be wrong.

use std::sync::Arc;
use std::time::Duration;

use messagebox::auth::{Identity, Peer, PeerConfig};
use serde_json::{Value, json};

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::{Brc104, Request};
use crate::support::eventually;
use crate::support::polling::client;
use crate::support::server::TestServer;

async fn connect(server: &TestServer) -> Brc104 {
    Brc104::connect(&server.http("")).await
}

fn message(recipient: &Brc104, id: &str, body: &Value) -> String {
    let recipient = recipient.identity.identity_key().to_hex();
    json!({"message": {"recipient": recipient, "messageBox": "inbox", "messageId": id, "body": body}}).to_string()
}

#[actix_web::test]
async fn a_message_is_sent_listed_and_acknowledged() {
    let server = TestServer::start();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let bob_key = bob.identity.identity_key().to_hex();
    let sent = alice
        .post("/sendMessage", message(&bob, "1", &json!("hello")))
        .await;
    assert!(sent.signed && sent.status == 200);
    assert_eq!(
        sent.json,
        json!({
            "status": "success", "message": "Your message has been sent to 1 recipient(s).", "messageId": "1",
            "results": [{"recipient": bob_key, "messageId": "1"}],
        })
    );
    assert_eq!(sent.header("content-type"), Some("application/json"));
    let again = alice
        .post("/sendMessage", message(&bob, "1", &json!("hello")))
        .await;
    assert_eq!(again.status, 200);
    let taken = bob
        .post("/sendMessage", message(&bob, "1", &json!("squatted")))
        .await;
    assert_eq!(
        (taken.status, taken.code(), taken.signed),
        (400, "ERR_DUPLICATE_MESSAGE", true)
    );
    let listed = bob.post("/listMessages", r#"{"messageBox":"inbox"}"#).await;
    let items = listed.json["messages"].as_array().unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["body"], r#"{"message":"hello"}"#);
    assert_eq!(items[0]["sender"], alice.identity.identity_key().to_hex());
    // The Rust client refuses a row that has a timestamp in both spellings.
    assert!(items[0]["createdAt"].is_string() && items[0]["created_at"].is_null());
    let stranger = alice
        .post("/acknowledgeMessage", r#"{"messageIds":["1"]}"#)
        .await;
    assert_eq!(
        (stranger.status, stranger.code()),
        (400, "ERR_INVALID_ACKNOWLEDGMENT")
    );
    let done = bob
        .post("/acknowledgeMessage", r#"{"messageIds":["1"]}"#)
        .await;
    assert_eq!(
        (done.status, done.json),
        (200, json!({"status": "success"}))
    );
    let empty = bob.post("/listMessages", r#"{"messageBox":"inbox"}"#).await;
    assert_eq!(
        empty.json,
        json!({
            "status": "success", "messages": [], "limit": 1000, "offset": 0, "nextOffset": 0,
            "hasMore": false, "nextCursor": null,
        })
    );
}

#[actix_web::test]
async fn one_message_goes_to_many() {
    let server = TestServer::start();
    let (alice, bob, carol) = (
        connect(&server).await,
        connect(&server).await,
        connect(&server).await,
    );
    let keys = [&bob, &carol].map(|party| party.identity.identity_key().to_hex());
    let body = json!({"message": {"recipients": keys, "messageBox": "inbox", "messageId": ["b", "c"], "body": [1]}});
    let sent = alice.post("/sendMessage", body.to_string()).await;
    assert_eq!(
        sent.json["results"][1],
        json!({"recipient": keys[1], "messageId": "c"})
    );
    assert_eq!(sent.json["messageId"], Value::Null);
    for (party, id) in [(&bob, "b"), (&carol, "c")] {
        let listed = party
            .post("/listMessages", r#"{"messageBox":"inbox"}"#)
            .await;
        assert_eq!(listed.json["messages"][0]["messageId"], id);
    }
}

#[actix_web::test]
async fn what_is_wrong_with_a_body_is_said_and_signed() {
    let server = TestServer::start();
    let alice = connect(&server).await;
    let cases: [(&str, &[u8], u16, &str); 14] = [
        ("/sendMessage", b"", 400, "ERR_INVALID_JSON"),
        ("/sendMessage", b"{", 400, "ERR_INVALID_JSON"),
        ("/sendMessage", b"\xff\xfe", 400, "ERR_INVALID_JSON"),
        ("/sendMessage", b"{}", 400, "ERR_MESSAGE_REQUIRED"),
        (
            "/sendMessage",
            br#"{"message":{"messageBox":7}}"#,
            400,
            "ERR_INVALID_MESSAGEBOX",
        ),
        (
            "/sendMessage",
            br#"{"message":{"messageBox":"b"}}"#,
            400,
            "ERR_INVALID_MESSAGE_BODY",
        ),
        ("/listMessages", b"nonsense", 400, "ERR_INVALID_JSON"),
        ("/listMessages", b"{}", 400, "ERR_MESSAGEBOX_REQUIRED"),
        (
            "/listMessages",
            br#"{"messageBox":{}}"#,
            400,
            "ERR_INVALID_MESSAGEBOX",
        ),
        ("/acknowledgeMessage", b"[", 400, "ERR_INVALID_JSON"),
        ("/acknowledgeMessage", b"{}", 400, "ERR_MESSAGE_ID_REQUIRED"),
        (
            "/acknowledgeMessage",
            br#"{"messageIds":[7]}"#,
            400,
            "ERR_INVALID_MESSAGE_ID",
        ),
        (
            "/acknowledgeMessage",
            br#"{"messageIds":["?"]}"#,
            400,
            "ERR_INVALID_ACKNOWLEDGMENT",
        ),
        ("/nothing", b"{}", 404, "ERR_NOT_FOUND"),
    ];
    for (route, body, status, code) in cases {
        let answer = alice.post(route, body).await;
        let shown = String::from_utf8_lossy(body);
        assert_eq!(
            (answer.status, answer.code()),
            (status, code),
            "{route} {shown}"
        );
        assert!(
            answer.signed && answer.json["status"] == "error",
            "{route} {shown}"
        );
        assert!(answer.json["description"].is_string(), "{route} {shown}");
    }
    let wrong_method = alice.send(&alice.request("GET", "/sendMessage", "")).await;
    assert_eq!(
        (
            wrong_method.status,
            wrong_method.code(),
            wrong_method.signed
        ),
        (405, "ERR_METHOD_NOT_ALLOWED", true)
    );
    assert_eq!(wrong_method.header("allow"), Some("POST"));
    // Clients of different age disagree on how an empty body is signed: none is signed.
    for target in ["/devices", "/permissions/list", "/sendMessage"] {
        let head = alice.send(&alice.request("HEAD", target, "")).await;
        assert_eq!((head.status, head.signed), (405, false), "{target}");
        assert_eq!(head.header("x-bsv-auth-signature"), None);
        assert_eq!(head.header("allow"), Some("GET, POST"));
    }
    let head = alice.send(&alice.request("HEAD", "/nothing", "")).await;
    assert_eq!((head.status, head.signed), (405, false));
    let deep = format!(
        r#"{{"message":{}{}}}"#,
        "[".repeat(20_000),
        "]".repeat(20_000)
    );
    assert_eq!(alice.post("/sendMessage", deep).await.status, 400);
}

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
        let said = answer.json["description"].as_str().unwrap();
        assert!(said.contains(description), "{what}: {said}");
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

#[actix_web::test]
async fn sessions_are_several_for_each_identity_and_used_on_their_own() {
    let server = TestServer::start();
    let identity = Arc::new(Identity::random());
    let base = server.http("");
    let first = Brc104::connect_as(&base, Arc::clone(&identity)).await;
    let second = Brc104::connect_as(&base, Arc::clone(&identity)).await;
    for party in [&first, &second, &first] {
        let answer = party
            .post("/listMessages", r#"{"messageBox":"inbox"}"#)
            .await;
        assert!(answer.status == 200 && answer.signed);
        assert_eq!(
            answer.header("x-bsv-auth-your-nonce"),
            Some(party.session.own_nonce())
        );
    }
}

#[actix_web::test]
async fn sessions_are_capped_for_each_identity() {
    let server = TestServer::with(|settings| {
        settings.auth.max_sessions_per_identity = std::num::NonZeroUsize::MIN;
    });
    let identity = Arc::new(Identity::random());
    let base = server.http("");
    let first = Brc104::connect_as(&base, Arc::clone(&identity)).await;
    let second = Brc104::connect_as(&base, Arc::clone(&identity)).await;
    let list = r#"{"messageBox":"inbox"}"#;
    assert_eq!(first.post("/listMessages", list).await.status, 200);
    assert_eq!(second.post("/listMessages", list).await.status, 200);
    assert_eq!(first.post("/listMessages", list).await.status, 401);
}

#[actix_web::test]
async fn expired_sessions_are_forgotten_though_nobody_asks_for_them() {
    let server = TestServer::with(|settings| {
        settings.auth.session_ttl = Duration::from_millis(100);
    });
    let alice = connect(&server).await;
    eventually("the session is forgotten", || {
        server.state.session_count() == 0
    })
    .await;
    let late = alice.post("/listMessages", r#"{"messageBox":"b"}"#).await;
    assert_eq!((late.status, late.code()), (401, "ERR_AUTH_FAILED"));
}

#[actix_web::test]
async fn bodies_are_taken_up_to_the_limit_and_refused_above_it() {
    let server = TestServer::with(|settings| settings.server.max_body_bytes = 2_000_000);
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let large = message(&bob, "large", &json!("x".repeat(1_900_000)));
    assert_eq!(alice.post("/sendMessage", large).await.status, 200);
    let larger = message(&bob, "larger", &json!("x".repeat(2_000_000)));
    let refused = alice.post("/sendMessage", larger).await;
    assert_eq!(
        (refused.status, refused.code(), refused.signed),
        (413, "ERR_BODY_TOO_LARGE", false)
    );
    let listed = bob.post("/listMessages", r#"{"messageBox":"inbox"}"#).await;
    assert_eq!(listed.json["messages"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn bodies_without_a_message_are_small() {
    let server = TestServer::start();
    let alice = connect(&server).await;
    for target in ["/listMessages", "/permissions/set", "/registerDevice"] {
        let body = |length: usize| json!({ "x": "x".repeat(length - 8) }).to_string();
        let read = alice.post(target, body(65_536)).await;
        assert_eq!(read.status, 400, "{target}: {}", read.json);
        let refused = alice.post(target, body(65_537)).await;
        assert_eq!(
            (refused.status, refused.code(), refused.signed),
            (413, "ERR_BODY_TOO_LARGE", true),
            "{target}"
        );
    }
}

#[actix_web::test]
async fn nobody_on_the_way_keeps_an_answer() {
    let server = TestServer::start();
    let alice = connect(&server).await;
    let signed = alice.post("/listMessages", r#"{"messageBox":"b"}"#).await;
    assert_eq!(signed.header("cache-control"), Some("no-store"));
    let unsigned = client()
        .post(server.http("/listMessages"))
        .send()
        .await
        .unwrap();
    let kept = unsigned.headers().get("cache-control").unwrap();
    assert_eq!(
        (unsigned.status().as_u16(), kept),
        (401, &"no-store".parse().unwrap())
    );
}

#[actix_web::test]
async fn every_response_may_be_read_from_anywhere() {
    let server = TestServer::start();
    let headers = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-headers", "*, authorization"),
        ("access-control-allow-methods", "*"),
        ("access-control-max-age", "600"),
        ("access-control-allow-private-network", "true"),
    ];
    let alice = connect(&server).await;
    let signed = alice.post("/nothing", "{}").await;
    let mut preflight = client()
        .request("OPTIONS".parse().unwrap(), server.http("/any/path"))
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), 200);
    assert_eq!(preflight.body().await.unwrap(), "OK");
    let refused = client().get(server.http("/")).send().await.unwrap();
    for (name, value) in headers {
        assert_eq!(signed.header(name), Some(value));
        assert_eq!(preflight.headers().get(name).unwrap(), value);
        assert_eq!(refused.headers().get(name).unwrap(), value);
    }
}

#[actix_web::test]
async fn a_prefix_stands_before_the_routes_but_not_the_handshake() {
    let server = TestServer::with(|settings| settings.server.routing_prefix = "/api".to_owned());
    let alice = connect(&server).await;
    let list = r#"{"messageBox":"inbox"}"#;
    assert_eq!(alice.post("/api/listMessages", list).await.status, 200);
    assert_eq!(alice.post("//api///listMessages", list).await.status, 200);
    assert_eq!(alice.post("/listMessages", list).await.status, 404);
    assert_eq!(alice.post("/apilistMessages", list).await.status, 404);
}

#[actix_web::test]
async fn a_message_of_http_reaches_a_live_room() {
    let server = TestServer::start();
    let alice = connect(&server).await;
    let mut bob = AuthSocketClient::authenticated(server.address).await;
    let key = bob.key().to_hex();
    let body = json!({"message": {"recipient": key.to_uppercase(), "messageBox": "a-b", "messageId": "1", "body": {"x": 1}}});
    assert_eq!(
        alice.post("/sendMessage", body.to_string()).await.status,
        200
    );
    let (event, data) = bob.event().await;
    assert_eq!(event, format!("sendMessage-{key}-a-b"));
    assert_eq!(
        (&data["body"], &data["messageBox"]),
        (&json!(r#"{"x":1}"#), &json!("a-b"))
    );
    // The server never begins with the client's own identity: that would be a reflection.
    let mut reflected = Peer::new(Arc::clone(&alice.identity), PeerConfig::default());
    assert!(reflected.start_handshake().is_ok());
}

/// A client that asks for the server's certificates waits for half a minute where nothing is answered.
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
    // It must be signed, and only once.
    let (status, text) = post(ask("other")).await;
    assert_eq!(status, 401, "{text}");
    let again = ask(requested);
    assert_eq!(post(again.clone()).await.0, 200);
    assert_eq!(post(again).await.0, 401);
}

#[actix_web::test]
async fn what_anybody_may_ask_is_where_everybody_looks_for_it() {
    let server = TestServer::with(|settings| {
        "/api".clone_into(&mut settings.server.routing_prefix);
        settings.messages.ttl = Duration::from_secs(86_400);
        settings.prices.request = 7;
        settings.fees.boxes.insert("inbox".to_owned(), 5);
    });
    let key = server.identity_key.to_hex();
    for prefix in ["", "/api"] {
        let get = async |path: &str| {
            let url = server.http(&format!("{prefix}{path}"));
            let mut answer = client().get(url).send().await.unwrap();
            let body = answer.body().await.unwrap();
            let header = |name: &str| {
                answer
                    .headers()
                    .get(name)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned()
            };
            assert_eq!(answer.status(), 200, "{path}");
            assert_eq!(header("access-control-allow-origin"), "*");
            let json: Value = serde_json::from_slice(&body).unwrap();
            (json, header("cache-control"))
        };
        for path in ["/health", "/healthz"] {
            let expected = json!({
                "ok": true, "status": "ok", "service": "messagebox-server", "network": "mainnet",
                "websockets": true,
            });
            assert_eq!(get(path).await, (expected, "no-store".to_owned()));
        }
        for path in ["/ready", "/readyz"] {
            let (ready, cached) = get(path).await;
            assert_eq!((&ready["status"], &*cached), (&json!("ready"), "no-store"));
        }
        let (info, cached) = get("/info").await;
        assert_eq!(cached, "public, max-age=60");
        assert_eq!(info["identityKey"], key);
        assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
        for (pointer, expected) in [
            ("/limits/maxMessageBytes", json!(4_000_000)),
            ("/limits/maxPageBytes", json!(4_100_000)),
            ("/limits/maxHeaderBytes", json!(131_072)),
            ("/limits/maxPaymentBytes", json!(4_194_304)),
            ("/limits/maxMessageBoxBytes", json!(128)),
            ("/prices/request", json!(7)),
            ("/prices/deliveryFees", json!({"inbox": 5})),
            ("/prices/deliveryFeePerRecipient", json!(false)),
            ("/retention/messageSeconds", json!(86_400)),
            ("/features/websockets", json!(true)),
            (
                "/features/paymentTransports",
                json!(["header", "multipart"]),
            ),
        ] {
            assert_eq!(info.pointer(pointer), Some(&expected), "{pointer}: {info}");
        }
    }
}

/// What a page in a browser may read of a reply, credentials or not.
#[actix_web::test]
async fn browsers_may_read_every_header_that_clients_need() {
    let server = TestServer::start();
    let answer = client().get(server.http("/healthz")).send().await.unwrap();
    let exposed = answer
        .headers()
        .get("access-control-expose-headers")
        .unwrap();
    let exposed: Vec<&str> = exposed.to_str().unwrap().split(", ").collect();
    for name in [
        "*",
        "x-bsv-auth-signature",
        "x-bsv-auth-identity-key",
        "x-bsv-payment-satoshis-required",
        "x-bsv-payment-known-txids",
        "x-bsv-payment-transports",
    ] {
        assert!(exposed.contains(&name), "{name}: {exposed:?}");
    }
    let allowed = answer
        .headers()
        .get("access-control-allow-headers")
        .unwrap();
    assert_eq!(allowed, "*, authorization");
}
