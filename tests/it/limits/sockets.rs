//! What sockets may have and send: how many there are, how fast they send, and how large one packet is.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use messagebox::auth::Identity;
use messagebox::config::Settings;
use messagebox::ids::RoomId;
use serde_json::json;

use crate::support::authsocket::AuthSocketClient;
use crate::support::polling::{self, Polling};
use crate::support::server::TestServer;
use crate::support::websocket::Websocket;
use crate::support::{eventually, eventually_async};

use super::{ask, connect_from, server};

#[actix_web::test]
async fn sockets_that_prove_nothing_are_few_for_each_address_and_in_all() {
    for (of_address, of_all, status, code) in [
        (2, 9, 429, "ERR_RATE_LIMITED"),
        (9, 2, 503, "ERR_OVERLOADED"),
    ] {
        let server = server(|settings| {
            settings.limits.unproven_sockets_per_address = of_address;
            settings.limits.unproven_sockets = of_all;
        });
        let polling_url = server.http("/socket.io/?EIO=4&transport=polling");
        let mut proven = AuthSocketClient::authenticated(server.address).await;
        let silent = Polling::open(&polling_url).await;
        let mut first =
            AuthSocketClient::connect(server.address, Arc::new(Identity::random())).await;
        let (refused, body) = polling::get(&polling_url).await;
        assert_eq!(refused, status, "{body}");
        assert!(body.contains(code), "{body}");
        let upgrade = format!("{DOCUMENT_OF_A_SOCKET}\r\n");
        let mut stream = connect_from("127.0.0.1", server.address).await;
        assert_eq!(ask(&mut stream, &upgrade).await, status);
        // A socket that authenticates makes room.
        first.handshake().await;
        let key = first.key().to_hex();
        first
            .emit("authenticated", &json!({"identityKey": key}))
            .await;
        assert_eq!(first.event().await.0, "authenticationSuccess");
        drop(Polling::open(&polling_url).await);
        let room = proven.room("inbox");
        proven.send_message(&room, "1", "hello").await;
        assert_eq!(proven.event().await.0, format!("sendMessageAck-{room}"));
        drop(silent);
    }
}

const DOCUMENT_OF_A_SOCKET: &str = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\n\
    connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[actix_web::test]
async fn an_identity_has_so_many_sockets_and_is_told_when_it_has_too_many() {
    let server = TestServer::with(|settings| settings.limits.sockets_per_identity = 2);
    let first = AuthSocketClient::authenticated(server.address).await;
    let identity = Arc::clone(&first.identity);
    let mut second =
        AuthSocketClient::authenticated_as(server.address, Arc::clone(&identity)).await;
    let mut third = AuthSocketClient::connect(server.address, Arc::clone(&identity)).await;
    third.handshake().await;
    let room = third.room("inbox");
    third.send_message(&room, "1", "not stored").await;
    let refusal = third.event().await;
    let reason = json!({"reason": "Too many sockets of this identity"});
    assert_eq!(refusal, ("authenticationFailed".to_owned(), reason));
    assert_eq!(third.try_event().await, None);
    // Its request had no effect.
    second.send_message(&room, "2", "stored").await;
    assert_eq!(second.event().await.0, format!("sendMessageAck-{room}"));
    assert_eq!(second.event().await.1["messageId"], "2");
    AuthSocketClient::authenticated(server.address).await;
    drop(first);
    eventually("the freed permit", || server.sockets.len() == 1).await;
    AuthSocketClient::authenticated_as(server.address, identity).await;
}

#[actix_web::test]
async fn a_socket_that_sends_too_much_is_read_more_slowly_and_loses_nothing() {
    let server = TestServer::with(|settings| {
        settings.limits.frames_per_socket = 50;
        settings.limits.burst = Duration::from_millis(200);
    });
    let mut alice = AuthSocketClient::authenticated(server.address).await;
    let mut bob = AuthSocketClient::authenticated(server.address).await;
    let (room, bobs) = (alice.room("inbox"), bob.room("inbox"));
    let signed = |client: &AuthSocketClient, room: &RoomId, id: String| {
        let message = json!({"messageId": id, "body": "body"});
        let data = json!({"roomId": room.as_str(), "message": message});
        client.signed("sendMessage", &data)
    };
    // Signed in advance, so that only the server takes time.
    let frames = (0..100).map(|n| signed(&alice, &room, n.to_string()));
    let frames: Vec<String> = frames.collect();
    let bobs_frame = signed(&bob, &bobs, "bob's".to_owned());
    let start = Instant::now();
    for frame in &frames {
        alice.send_auth(frame).await;
    }
    bob.send_auth(&bobs_frame).await;
    assert_eq!(bob.event().await.0, format!("sendMessageAck-{bobs}"));
    let mut acked = 0;
    while acked < 100 {
        let (event, data) = alice.event().await;
        if event.starts_with("sendMessageAck-") {
            assert_eq!(data["messageId"], acked.to_string());
            acked += 1;
        }
    }
    // Another socket was served before all of these.
    let stored = r#"SELECT "messageId" AS "value" FROM "messages" ORDER BY "id""#;
    let stored = server.database.texts(stored);
    let place = |id: &str| stored.iter().position(|stored| stored == id).unwrap();
    assert!(place("bob's") < place("99"), "{stored:?}");
    // A hundred frames at 50 per second, ten of them free.
    assert!(
        start.elapsed() > Duration::from_millis(1_500),
        "{:?}",
        start.elapsed()
    );
}

#[actix_web::test]
async fn sockets_of_one_identity_share_their_rate() {
    let server = TestServer::with(|settings| {
        settings.limits.frames_per_identity = 50;
        settings.limits.burst = Duration::from_millis(200);
    });
    let mut first = AuthSocketClient::authenticated(server.address).await;
    let identity = Arc::clone(&first.identity);
    let mut second = AuthSocketClient::authenticated_as(server.address, identity).await;
    let room = first.room("inbox");
    let start = Instant::now();
    for n in 0..50 {
        for (socket, name) in [(&mut first, "a"), (&mut second, "b")] {
            socket
                .send_message(&room, &format!("{name}{n}"), "body")
                .await;
        }
    }
    for socket in [&mut first, &mut second] {
        let mut acked = 0;
        while acked < 50 {
            acked += usize::from(socket.event().await.0.starts_with("sendMessageAck-"));
        }
    }
    assert!(
        start.elapsed() > Duration::from_millis(1_500),
        "{:?}",
        start.elapsed()
    );
}

/// A rate at which a client can connect, and a delay that the payloads below exceed by far.
fn strict(settings: &mut Settings) {
    settings.limits.frames_per_socket = 10;
    settings.limits.burst = Duration::from_secs(1);
    settings.limits.max_delay = Duration::from_millis(500);
}

#[actix_web::test]
async fn packets_of_polling_count_like_frames_and_far_too_many_end_the_session() {
    let server = TestServer::with(strict);
    let url = server.http("/socket.io/?EIO=4&transport=polling");
    let session = Polling::open(&url).await;
    assert_eq!(session.post("40").await.0, 200);
    let start = Instant::now();
    assert_eq!(session.post(["3"; 13].join("\x1e")).await.0, 200);
    // Fourteen packets, ten of them free. The request waits for the rest.
    assert!(
        start.elapsed() > Duration::from_millis(250),
        "{:?}",
        start.elapsed()
    );
    let (status, body) = session.post(["3"; 200].join("\x1e")).await;
    assert_eq!(status, 429, "{body}");
    assert!(body.contains("ERR_RATE_LIMITED"), "{body}");
    eventually("the end", || server.sockets.is_empty()).await;
}

#[actix_web::test]
async fn one_frame_that_is_far_too_much_ends_its_websocket_with_a_code() {
    let server = TestServer::with(|settings| {
        settings.limits.bytes_per_socket = 1_000;
        settings.limits.burst = Duration::from_secs(1);
        settings.limits.max_delay = Duration::from_millis(500);
    });
    let url = format!(
        "ws://{}/socket.io/?EIO=4&transport=websocket",
        server.address
    );
    let mut websocket = Websocket::open(&url).await;
    websocket.send("40").await;
    assert!(websocket.text().await.starts_with("40"));
    websocket
        .send(format!("42[\"x\",\"{}\"]", "x".repeat(10_000)))
        .await;
    assert_eq!(websocket.closed().await, Some(1008));
    eventually("the end", || server.sockets.is_empty()).await;
}

#[actix_web::test]
async fn pings_and_fragments_of_a_websocket_count_too() {
    let server = TestServer::with(strict);
    let url = format!(
        "ws://{}/socket.io/?EIO=4&transport=websocket",
        server.address
    );
    for message in [
        || awc::ws::Message::Ping(bytes::Bytes::new()),
        || awc::ws::Message::Pong(bytes::Bytes::new()),
    ] {
        let mut websocket = Websocket::open(&url).await;
        let start = Instant::now();
        for _ in 0..20 {
            websocket.send_message(message()).await;
        }
        websocket.send("40").await;
        assert!(websocket.text().await.starts_with("40"));
        // Twenty-one, ten of them free.
        assert!(
            start.elapsed() > Duration::from_millis(700),
            "{:?}",
            start.elapsed()
        );
    }
}

#[actix_web::test]
async fn leaving_does_not_prolong_the_time_for_a_proof() {
    let server = TestServer::with(|settings| {
        settings.auth.timeout = Duration::from_millis(500);
        settings.auth.revival_delay = Duration::from_secs(60);
    });
    let url = server.http("/socket.io/?EIO=4&transport=polling");
    let session = Polling::open(&url).await;
    eventually_async("the end", async || {
        // It joins, sends an event and leaves, over and over.
        session.post("40\x1e42[\"hello\"]\x1e41").await.0 != 200
    })
    .await;
    eventually("the freed permit", || server.sockets.is_empty()).await;
}

#[actix_web::test]
async fn attachments_and_packets_of_a_payload_are_as_many_as_allowed() {
    let server = TestServer::with(|settings| {
        settings.socket.max_packets_per_payload = NonZeroUsize::new(3).unwrap();
        settings.socket.max_attachments = 1;
    });
    let url = server.http("/socket.io/?EIO=4&transport=polling");
    let session = Polling::open(&url).await;
    assert_eq!(session.post("40\x1e3\x1e3").await.0, 200);
    assert_eq!(session.post("3\x1e3\x1e3\x1e3").await.0, 400);
    eventually("the end", || server.sockets.is_empty()).await;
    for (attachments, lives) in [(1, true), (2, false)] {
        let session = Polling::open(&url).await;
        assert_eq!(session.post("40").await.0, 200);
        let placeholder = |n| format!("{{\"_placeholder\":true,\"num\":{n}}}");
        let data: Vec<String> = (0..attachments).map(placeholder).collect();
        session
            .post(format!("45{attachments}-[\"x\",{}]", data.join(",")))
            .await;
        assert_eq!(session.post("3").await.0 == 200, lives, "{attachments}");
    }
}
