//! HTTP: messages, sessions, and bodies that are wrong or too large.

mod authentication;
mod public;

use std::sync::Arc;
use std::time::Duration;

use messagebox::auth::{Identity, Peer, PeerConfig};
use serde_json::{Value, json};

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::Brc104;
use crate::support::eventually;
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
async fn a_wrong_body_gets_a_signed_error() {
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
    // Old and new clients disagree on the signature of an empty body, so the server signs none.
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
async fn expired_sessions_are_removed_without_a_request() {
    let server = TestServer::with(|settings| {
        settings.auth.session_ttl = Duration::from_millis(100);
    });
    let alice = connect(&server).await;
    eventually("the session to be removed", || {
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
    // The server never starts a handshake with the client's own identity: that would be a reflection.
    let mut reflected = Peer::new(Arc::clone(&alice.identity), PeerConfig::default());
    assert!(reflected.start_handshake().is_ok());
}
