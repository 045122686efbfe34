//! How large a request's head may be, and how deep its JSON.

use std::num::NonZeroUsize;

use messagebox::auth::SharedPayload;
use messagebox::ids::RoomId;
use serde_json::json;

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::Brc104;
use crate::support::polling::Polling;
use crate::support::raw_http;
use crate::support::server::TestServer;
use crate::support::websocket::Websocket;

/// JSON that would overflow the stack of a recursive reader.
fn deep() -> String {
    format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))
}

#[actix_web::test]
async fn json_overflows_nothing_where_it_may_be_as_deep_as_it_likes() {
    let server = TestServer::with(|settings| settings.limits.max_json_depth = NonZeroUsize::MAX);
    let client = Brc104::connect(&server.http("")).await;
    let recipient = client.identity.identity_key().to_hex();
    let (deep, message) = (
        deep(),
        format!(r#"{{"messageBox":"inbox","messageId":"1","recipient":"{recipient}","body":"#),
    );
    // As the whole body, as the value of a field that the server reads, and of one that it does not.
    for target in [
        "/sendMessage",
        "/listMessages",
        "/acknowledgeMessage",
        "/registerDevice",
        "/permissions/set",
    ] {
        for body in [
            deep.clone(),
            format!(
                r#"{{"message":{deep},"messageBox":{deep},"messageIds":{deep},"fcmToken":{deep}}}"#
            ),
            format!(r#"{{"unknown":{deep}}}"#),
        ] {
            let answer = client.post(target, body).await;
            assert!(
                (400..=413).contains(&answer.status) && answer.signed,
                "{target}: {}",
                answer.status
            );
        }
    }
    // The server stores a body as text, however deep the recipient finds it.
    let body = format!(r#"{{"message":{message}{deep}}},"payment":{deep}}}"#);
    assert_eq!(client.post("/sendMessage", body).await.status, 200);
    let mut peer = AuthSocketClient::authenticated(server.address).await;
    for frame in [
        format!("42[\"authMessage\",{deep}]"),
        format!("42[\"authMessage\",{{\"messageType\":{deep}}}]"),
        format!("42[\"sendMessage\",{deep}]"),
    ] {
        peer.websocket.send(frame).await;
    }
    let (event, _) = plain_event(&mut peer).await;
    assert_eq!(event, "paymentFailed");
    let payload =
        format!(r#"{{"eventName":"sendMessage","data":{{"roomId":"x","message":{deep}}}}}"#);
    let mut json = String::new();
    peer.peer
        .sign(&SharedPayload::new(payload.into_bytes()), &mut json)
        .unwrap();
    peer.send_auth(&json).await;
    assert_eq!(peer.event().await.0, "messageFailed");
    // The server reads packets with attachments in more detail.
    let url = format!(
        "ws://{}/socket.io/?EIO=4&transport=websocket",
        server.address
    );
    let mut websocket = Websocket::open(&url).await;
    websocket.send(format!("40{{\"a\":{deep}}}")).await;
    websocket
        .send(format!(
            "451-[\"x\",{deep},{{\"_placeholder\":true,\"num\":0}}]"
        ))
        .await;
    websocket.send_binary(&[4, 1]).await;
    let room = peer.room("inbox");
    assert_eq!(peer.event().await.0, format!("sendMessageAck-x"));
    peer.send_message(&room, "2", "alive").await;
    assert_eq!(peer.event().await.0, format!("sendMessageAck-{room}"));
}

#[actix_web::test]
async fn json_is_as_deep_as_allowed() {
    const MAX: usize = 6;
    let server = TestServer::with(|settings| {
        settings.limits.max_json_depth = NonZeroUsize::new(MAX).unwrap();
    });
    let http = Brc104::connect(&server.http("")).await;
    let recipient = http.identity.identity_key().to_hex();
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for (depth, status, code) in [(MAX, 200, ""), (MAX + 1, 400, "ERR_JSON_TOO_DEEP")] {
        // Two levels are around it.
        let body = nested(depth - 2);
        let message = format!(
            r#"{{"message":{{"messageBox":"inbox","messageId":"1","recipient":"{recipient}","body":{body}}}}}"#
        );
        let answer = http.post("/sendMessage", message).await;
        assert_eq!(
            (answer.status, answer.code(), answer.signed),
            (status, code, true)
        );
    }
    let mut peer = AuthSocketClient::authenticated(server.address).await;
    let room = RoomId::of(&http.identity.identity_key(), "inbox");
    for (depth, event) in [
        (MAX, format!("sendMessageAck-{room}")),
        (MAX + 1, "messageFailed".to_owned()),
    ] {
        // Three levels are around it.
        let more: serde_json::Value = serde_json::from_str(&nested(depth - 3)).unwrap();
        let message = json!({"messageId": "2", "body": "x", "more": more});
        peer.emit(
            "sendMessage",
            &json!({"roomId": room.as_str(), "message": message}),
        )
        .await;
        let (name, data) = peer.event().await;
        assert_eq!(name, event);
        if depth > MAX {
            assert_eq!(data["reason"], "The JSON is nested too deeply");
        }
    }
    // A deeper packet ends its session.
    for (depth, lives) in [(MAX, true), (MAX + 1, false)] {
        let session = Polling::open(&server.http("/socket.io/?EIO=4&transport=polling")).await;
        assert_eq!(session.post("40").await.0, 200);
        session
            .post(format!("42[\"x\",{}]", nested(depth - 1)))
            .await;
        assert_eq!(session.post("3").await.0 == 200, lives, "{depth}");
    }
}

/// The length of a line counts, and the rest of the head too.
#[actix_web::test]
async fn a_head_is_as_large_as_allowed() {
    const ALWAYS: usize = "host: x\r\nconnection: close\r\n".len();
    let server = TestServer::with(|settings| {
        settings.server.max_url_bytes = 100.try_into().unwrap();
        settings.server.max_headers = 10.try_into().unwrap();
        settings.server.max_header_bytes = 1_000.try_into().unwrap();
    });
    let path = |length: usize| format!("/{}", "a".repeat(length - 1));
    let query = |length: usize| format!("/docs?{}", "a".repeat(length - 6));
    let line = |length: usize| format!("x: {}\r\n", "a".repeat(length - 5));
    let socket = "/socket.io/?EIO=4&transport=polling".to_owned();
    for (target, lines, refused) in [
        (path(100), String::new(), None),
        (path(101), String::new(), Some((414, "ERR_URL_TOO_LONG"))),
        (query(101), String::new(), Some((414, "ERR_URL_TOO_LONG"))),
        (path(2), line(10).repeat(8), None),
        (
            path(2),
            line(10).repeat(9),
            Some((431, "ERR_TOO_MANY_HEADERS")),
        ),
        (path(2), line(1_000 - ALWAYS), None),
        (
            path(2),
            line(1_001 - ALWAYS),
            Some((431, "ERR_HEADERS_TOO_LARGE")),
        ),
        (
            path(2),
            line(500).repeat(2),
            Some((431, "ERR_HEADERS_TOO_LARGE")),
        ),
        // On every route.
        (
            format!("{socket}&x={}", "a".repeat(99)),
            String::new(),
            Some((414, "ERR_URL_TOO_LONG")),
        ),
        (
            "/healthz".to_owned(),
            line(10).repeat(9),
            Some((431, "ERR_TOO_MANY_HEADERS")),
        ),
        (
            "/admin/".to_owned(),
            line(990),
            Some((431, "ERR_HEADERS_TOO_LARGE")),
        ),
    ] {
        let head = raw_http::head("GET", &target, &[], &lines);
        let answer = raw_http::ask(server.address, head.as_bytes()).await;
        let (status, code) = refused.unwrap_or((401, "UNAUTHORIZED"));
        assert_eq!(
            (answer.status, answer.code()),
            (status, code),
            "{target} {}",
            lines.len()
        );
    }
    let counted = server.state.requests.failures.get();
    assert_eq!(counted["ERR_URL_TOO_LONG"], 3);
}

/// The next unsigned event.
async fn plain_event(client: &mut AuthSocketClient) -> (String, serde_json::Value) {
    let text = client.websocket.text().await;
    let event: serde_json::Value = serde_json::from_str(text.strip_prefix("42").unwrap()).unwrap();
    (event[0].as_str().unwrap().to_owned(), event[1].clone())
}
