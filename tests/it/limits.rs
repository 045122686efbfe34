//! What one address, one identity and one socket may have and ask for: each limit is met, says so, and is nobody else's.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::http::Method;
use messagebox::auth::{Identity, Peer, PeerConfig, SharedPayload};
use messagebox::config::{Secret, Settings};
use messagebox::ids::RoomId;
use messagebox::limits::Networks;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::Brc104;
use crate::support::polling::{self, Polling, client};
use crate::support::raw_http;
use crate::support::server::TestServer;
use crate::support::websocket::Websocket;
use crate::support::{eventually, eventually_async, within};

/// More requests than any of the bursts here.
const MANY: usize = 1_000;

/// A server that limits this machine too.
fn server(change: impl FnOnce(&mut Settings)) -> TestServer {
    TestServer::with(|settings| {
        settings.limits.unlimited_addresses = Networks::default();
        settings.limits.burst = Duration::from_secs(2);
        change(settings);
    })
}

/// A connection from this address of the machine.
async fn connect_from(address: &str, server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(SocketAddr::new(address.parse().unwrap(), 0))
        .unwrap();
    socket.connect(server).await.unwrap()
}

/// Status of a request on a connection that stays; 0 where it was closed.
async fn ask(stream: &mut TcpStream, request: &str) -> u16 {
    if stream.write_all(request.as_bytes()).await.is_err() {
        return 0;
    }
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = within("an answer", stream.read(&mut buffer))
            .await
            .unwrap_or(0);
        if read == 0 && text.is_empty() {
            return 0;
        }
        text.extend_from_slice(&buffer[..read]);
        let head = String::from_utf8_lossy(&text);
        if head.contains("\r\n\r\n") {
            return head.split(' ').nth(1).unwrap().parse().unwrap();
        }
    }
}

const DOCUMENT: &str = "GET /docs HTTP/1.1\r\nhost: x\r\n\r\n";

fn handshake(forwarded_for: &str) -> String {
    let mut peer = Peer::new(Arc::new(Identity::random()), PeerConfig::default());
    let body = peer.start_handshake().unwrap();
    format!(
        "POST /.well-known/auth HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {forwarded_for}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Shakes hands until that is refused; says how often it was not.
async fn until_refused(server: &TestServer, from: &str, forwarded_for: &str) -> usize {
    for count in 0..MANY {
        let mut stream = connect_from(from, server.address).await;
        match ask(&mut stream, &handshake(forwarded_for)).await {
            200 => {}
            status => {
                assert_eq!(status, 429);
                return count;
            }
        }
    }
    panic!("it was never refused");
}

#[actix_web::test]
async fn connections_of_an_address_above_its_limit_are_closed_at_once() {
    let server = server(|settings| settings.limits.connections_per_address = 2);
    let address = server.address;
    let mut first = connect_from("127.0.0.2", address).await;
    let mut second = connect_from("127.0.0.2", address).await;
    for stream in [&mut first, &mut second] {
        assert_eq!(ask(stream, DOCUMENT).await, 302);
    }
    let mut third = connect_from("127.0.0.2", address).await;
    let end = within("the end", third.read(&mut [0; 9])).await;
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    let mut other = connect_from("127.0.0.3", address).await;
    assert_eq!(ask(&mut other, DOCUMENT).await, 302);
    drop(first);
    eventually_async("the freed place", async || {
        let mut again = connect_from("127.0.0.2", address).await;
        ask(&mut again, DOCUMENT).await == 302
    })
    .await;
    drop((second, other));
    eventually("no connection", || {
        server.state.addresses.connection_count() == 0
    })
    .await;
}

#[actix_web::test]
async fn a_websocket_keeps_the_place_of_its_connection() {
    let server = server(|settings| settings.limits.connections_per_address = 1);
    let socket = AuthSocketClient::authenticated(server.address).await;
    let mut second = connect_from("127.0.0.1", server.address).await;
    let end = within("the end", second.read(&mut [0; 9])).await;
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    drop(socket);
    eventually("no connection", || {
        server.state.addresses.connection_count() == 0
    })
    .await;
}

#[actix_web::test]
async fn handshakes_are_counted_for_whom_a_trusted_proxy_names() {
    let server = server(|settings| {
        settings.limits.handshakes_per_address = 1;
        settings.server.trusted_proxies = vec!["127.0.0.2".to_owned()].try_into().unwrap();
    });
    assert!(until_refused(&server, "127.0.0.2", "198.51.100.1, 203.0.113.1").await > 0);
    // What the client claims, further left, makes it nobody else; another client is another.
    assert!(until_refused(&server, "127.0.0.2", "198.51.100.2, 203.0.113.2").await > 0);
    // Whom no proxy names is who is connected, whatever it says.
    assert!(until_refused(&server, "127.0.0.3", "203.0.113.3").await > 0);
    // Somebody new could shake hands twice at once; here a moment may have passed, which is good for one.
    assert!(until_refused(&server, "127.0.0.3", "203.0.113.4").await < 2);
    let mut stream = connect_from("127.0.0.2", server.address).await;
    assert_eq!(ask(&mut stream, &handshake("203.0.113.4")).await, 200);
}

#[actix_web::test]
async fn requests_of_an_address_are_counted_before_anything_is_known_of_them() {
    let server = server(|settings| settings.limits.requests_per_address = 1);
    let mut statuses = Vec::new();
    for path in [
        "/",
        "/sendMessage",
        "/socket.io/?EIO=4&transport=polling&sid=x",
    ] {
        for _ in 0..MANY {
            let (status, body) = polling::get(&server.http(path)).await;
            if status == 429 {
                assert!(body.contains("ERR_RATE_LIMITED"), "{body}");
                statuses.push(status);
                break;
            }
        }
    }
    assert_eq!(statuses, [429; 3]);
    // Preflights and documents cost nothing.
    assert_eq!(
        polling::get(&server.http("/docs/asyncapi.yaml")).await.0,
        200
    );
}

/// Bodies that stop one byte short take memory for as long as they may take.
#[actix_web::test]
async fn whoever_has_proven_nothing_holds_up_no_body_of_others() {
    let server = server(|settings| {
        settings.server.max_body_bytes = 1_000_000;
        settings.server.max_buffered_bytes = 16_000_000;
    });
    let alice = Brc104::connect(&server.http("")).await;
    let list = json!({"messageBox": "inbox"}).to_string();
    assert_eq!(alice.post("/listMessages", list).await.status, 200);
    let bodies = &server.state.bodies;
    let mut held = Vec::new();
    for address in ["127.0.0.2", "127.0.0.3"] {
        for (length, status) in [(1_000_000, 413), (450_000, 0), (450_000, 0), (450_000, 503)] {
            let stranger = Brc104::connect(&server.http("")).await;
            let headers = stranger.request("POST", "/sendMessage", "").headers;
            let length_line = format!("content-length: {length}\r\n");
            let head = raw_http::head("POST", "/sendMessage", &headers, &length_line);
            let mut stream = connect_from(address, server.address).await;
            let before = bodies.held();
            stream.write_all(head.as_bytes()).await.unwrap();
            // The server may end it while this is written.
            let _ = stream.write_all(&vec![b'x'; length - 1]).await;
            if status == 0 {
                eventually("the body", || bodies.held() == before + length - 1).await;
                held.push(stream);
            } else {
                let mut said = [0; 12];
                within("an answer", stream.read_exact(&mut said))
                    .await
                    .unwrap();
                assert_eq!(said, format!("HTTP/1.1 {status}").as_bytes());
            }
        }
    }
    let recipient = alice.identity.identity_key().to_hex();
    let message = json!({"message": {
        "messageBox": "inbox", "messageId": "1", "recipient": recipient, "body": "x".repeat(900_000),
    }});
    let sent = alice.post("/sendMessage", message.to_string()).await;
    assert_eq!(sent.status, 200, "{:?}", sent.json);
}

#[actix_web::test]
async fn guesses_at_a_secret_are_few_for_each_address() {
    let secret = || Some(Secret::new("a secret of the operator"));
    for (method, target) in [
        (Method::POST, "/admin/migrate"),
        (Method::GET, "/admin/status"),
        (Method::GET, "/metrics"),
        (Method::POST, "/sendMessage"),
    ] {
        let server = server(|settings| {
            settings.migrate_key = secret();
            settings.admin.token = secret();
            settings.limits.handshakes_per_address = 1;
        });
        let guess = async || {
            let request = client().request(method.clone(), server.http(target));
            let guess = request.insert_header(("authorization", "Bearer a guess"));
            guess.send().await.unwrap().status().as_u16()
        };
        let mut refused = 0;
        while guess().await == 401 {
            refused += 1;
            assert!(refused < MANY, "{target}: nobody counts guesses");
        }
        assert_eq!(guess().await, 429, "{target}");
    }
}

#[actix_web::test]
async fn an_identity_that_asks_too_often_is_told_signed_and_nobody_else_is() {
    let server = TestServer::with(|settings| {
        settings.limits.requests_per_identity = 1;
        settings.limits.burst = Duration::from_secs(3);
    });
    let alice = Brc104::connect(&server.http("")).await;
    let again = Brc104::connect_as(&server.http(""), Arc::clone(&alice.identity)).await;
    let bob = Brc104::connect(&server.http("")).await;
    let list = json!({"messageBox": "inbox"}).to_string();
    let mut served = 0;
    let refused = loop {
        let answer = alice.post("/listMessages", list.clone()).await;
        if answer.status != 200 {
            break answer;
        }
        served += 1;
    };
    assert!(served >= 3, "{served}");
    assert_eq!(
        (refused.status, refused.code(), refused.signed),
        (429, "ERR_RATE_LIMITED", true)
    );
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&seconds), "{seconds}");
    // Another session is the same identity.
    let mut other_session = Vec::new();
    for _ in 0..MANY {
        other_session.push(again.post("/listMessages", list.clone()).await.status);
        if other_session.ends_with(&[429]) {
            break;
        }
    }
    assert!(other_session.ends_with(&[429]));
    assert_eq!(bob.post("/listMessages", list.clone()).await.status, 200);
    // The session lives on, and time heals.
    eventually_async("room for another request", async || {
        alice.post("/listMessages", list.clone()).await.status == 200
    })
    .await;
}

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
        // Who proves an identity makes room.
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
    let told = third.event().await;
    let reason = json!({"reason": "Too many sockets of this identity"});
    assert_eq!(told, ("authenticationFailed".to_owned(), reason));
    assert_eq!(third.try_event().await, None);
    // What it asked for was not done.
    second.send_message(&room, "2", "stored").await;
    assert_eq!(second.event().await.0, format!("sendMessageAck-{room}"));
    assert_eq!(second.event().await.1["messageId"], "2");
    AuthSocketClient::authenticated(server.address).await;
    drop(first);
    eventually("the freed place", || server.sockets.len() == 1).await;
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
    // At hand, so that nothing but the server takes time.
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
    // Another socket was served before all of that was.
    let stored = r#"SELECT "messageId" AS "value" FROM "messages" ORDER BY "id""#;
    let stored = server.database.texts(stored);
    let place = |id: &str| stored.iter().position(|stored| stored == id).unwrap();
    assert!(place("bob's") < place("99"), "{stored:?}");
    // A hundred frames, of which ten are free, at fifty in a second.
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

/// A rate that lets a client connect, and a delay that the payloads below are far beyond.
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
    // Fourteen, of which ten are free: what is over is waited for.
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
        // Twenty-one, of which ten are free.
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
        // It is busy all the time: joins, says something, leaves.
        session.post("40\x1e42[\"hello\"]\x1e41").await.0 != 200
    })
    .await;
    eventually("the freed place", || server.sockets.is_empty()).await;
}

/// JSON that would overflow the stack of whoever follows it down.
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
    // As a whole, as the value of a field that is read, and of one that is not.
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
    // A body is text to the server, however deep its recipient will find it.
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
    // A packet with attachments is followed further.
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
        // Two of them are around it.
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
        // Three around it.
        let more: serde_json::Value = serde_json::from_str(&nested(depth - 3)).unwrap();
        let message = json!({"messageId": "2", "body": "x", "more": more});
        peer.emit(
            "sendMessage",
            &json!({"roomId": room.as_str(), "message": message}),
        )
        .await;
        let (said, data) = peer.event().await;
        assert_eq!(said, event);
        if depth > MAX {
            assert_eq!(data["reason"], "The JSON is nested too deeply");
        }
    }
    // A packet that is deeper ends its session.
    for (depth, lives) in [(MAX, true), (MAX + 1, false)] {
        let session = Polling::open(&server.http("/socket.io/?EIO=4&transport=polling")).await;
        assert_eq!(session.post("40").await.0, 200);
        session
            .post(format!("42[\"x\",{}]", nested(depth - 1)))
            .await;
        assert_eq!(session.post("3").await.0 == 200, lives, "{depth}");
    }
}

/// A line, and what else a head has by itself.
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
        // Whatever is asked for.
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

/// The next event that is not signed.
async fn plain_event(client: &mut AuthSocketClient) -> (String, serde_json::Value) {
    let text = client.websocket.text().await;
    let event: serde_json::Value = serde_json::from_str(text.strip_prefix("42").unwrap()).unwrap();
    (event[0].as_str().unwrap().to_owned(), event[1].clone())
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

/// Each of them from an address of its own, and with its next handshake as soon as the last is answered.
const FLOODERS: usize = 16;

/// Handshakes take a signature of the server, run to their end on the worker that reads them, and prove nothing. They have no
/// place of their own to wait in, because they need none: a worker goes from connection to connection.
#[actix_web::test]
async fn a_flood_of_handshakes_lets_every_signed_request_through() {
    let server = server(|settings| settings.limits.handshakes_per_address = 0);
    let alice = Brc104::connect(&server.http("")).await;
    let answered = Arc::new(AtomicUsize::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let address = server.address;
    let flood = std::thread::spawn({
        let (answered, over) = (Arc::clone(&answered), Arc::clone(&over));
        move || {
            actix_web::rt::System::new().block_on(async move {
                let flooders = (0..FLOODERS).map(|n| {
                    let (answered, over) = (Arc::clone(&answered), Arc::clone(&over));
                    actix_web::rt::spawn(async move {
                        let mut stream = connect_from(&format!("127.0.1.{}", n + 1), address).await;
                        // Always the same one: the work is the server's.
                        let request = handshake("x").replace("connection: close\r\n", "");
                        while !over.load(Ordering::Relaxed) {
                            assert_eq!(ask(&mut stream, &request).await, 200);
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                    })
                });
                for flooder in flooders.collect::<Vec<_>>() {
                    flooder.await.unwrap();
                }
            });
        }
    });
    eventually("the flood", || {
        answered.load(Ordering::Relaxed) > 2 * FLOODERS
    })
    .await;
    let mut most = 0;
    for _ in 0..20 {
        let before = answered.load(Ordering::Relaxed);
        let list = alice.post("/listMessages", r#"{"messageBox":"inbox"}"#);
        assert_eq!(within("a list", list).await.status, 200);
        most = most.max(answered.load(Ordering::Relaxed) - before);
    }
    over.store(true, Ordering::Relaxed);
    flood.join().unwrap();
    // About ten rounds of all of them; many more when this thread has to wait for the machine.
    assert!(
        most <= 200 * FLOODERS,
        "{most} handshakes overtook a request"
    );
}
