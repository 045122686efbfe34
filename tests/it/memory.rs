//! Memory that clients can make the server hold: all of it is bounded and released.

use std::sync::Arc;

use messagebox::auth::Identity;
use messagebox::config::Settings;
use messagebox::ids::RoomId;
use messagebox::limits::Networks;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::Brc104;
use crate::support::raw_http;
use crate::support::raw_member::{small_connection, websocket_member};
use crate::support::server::TestServer;
use crate::support::{eventually, within};

/// The head of a masked binary frame that announces this payload length. The mask is zero.
fn frame_head(length: u64) -> Vec<u8> {
    let mut head = vec![0x82, 0x80 | 127];
    head.extend_from_slice(&length.to_be_bytes());
    head.extend_from_slice(&[0; 4]);
    head
}

async fn member(server: &TestServer) -> TcpStream {
    websocket_member(server.address, Arc::new(Identity::random())).await
}

/// The close code, after anything else that comes.
async fn close_code(stream: &mut TcpStream) -> u16 {
    let mut bytes = Vec::new();
    // The connection may be reset after the close frame.
    let _ = within("the end", stream.read_to_end(&mut bytes)).await;
    let at = bytes.windows(2).rposition(|frame| frame == [0x88, 2]);
    let code = at.and_then(|at| bytes.get(at + 2..at + 4));
    let code = code.unwrap_or_else(|| panic!("no close frame in {bytes:?}"));
    u16::from_be_bytes([code[0], code[1]])
}

#[actix_web::test]
async fn a_frame_that_would_be_too_large_is_refused_before_it_comes() {
    let server = TestServer::start();
    for length in [10_000_001, 1 << 40, u64::MAX >> 1] {
        let mut stream = member(&server).await;
        stream.write_all(&frame_head(length)).await.unwrap();
        assert_eq!(close_code(&mut stream).await, 1009, "{length}");
    }
    eventually("their end", || server.sockets.is_empty()).await;
}

#[actix_web::test]
async fn unfinished_frames_share_the_memory_of_bodies() {
    let server = TestServer::with(|settings| {
        settings.server.max_body_bytes = 400_000;
        settings.server.max_buffered_bytes = 400_000;
    });
    let bodies = &server.state.bodies;
    let begin = [frame_head(1_000_000), vec![0; 300_000]].concat();
    let mut first = member(&server).await;
    first.write_all(&begin).await.unwrap();
    eventually("the beginning", || bodies.held() == 300_000).await;
    let mut second = member(&server).await;
    // The server may close the connection before all is written.
    let _ = second.write_all(&begin).await;
    assert_eq!(close_code(&mut second).await, 1013);
    drop((first, second));
    eventually("the memory", || bodies.held() == 0).await;
}

#[actix_web::test]
async fn a_list_that_is_not_read_counts_for_who_asked() {
    let server = TestServer::with(|settings| {
        settings.server.max_buffered_bytes = 64 << 20;
        settings.messages.max_message_bytes = 0;
        settings.messages.max_listed_bytes = 12 << 20;
    });
    let client = with_messages(&server, 12 << 20).await;
    let list = || client.request("POST", "/listMessages", r#"{"messageBox":"inbox"}"#);
    let mut unread = small_connection(server.address).await;
    let request = raw_http::bytes(&list());
    unread.write_all(&request).await.unwrap();
    // The head of the answer has come, so the server is writing it.
    within("the answer", unread.read_u8()).await.unwrap();
    let refused = client.send(&list()).await;
    assert_eq!((refused.status, refused.code()), (503, "ERR_OVERLOADED"));
    drop(unread);
    loop {
        let answer = within("a list", client.send(&list())).await;
        if answer.status == 200 {
            break;
        }
        assert_eq!(answer.status, 503);
    }
}

/// A client whose box holds messages of `bytes` bytes in all.
async fn with_messages(server: &TestServer, bytes: usize) -> Brc104 {
    const EACH: usize = 1 << 20;
    let client = Brc104::connect(&server.http("")).await;
    let recipient = client.identity.identity_key().to_hex();
    // Before its first verified request, a session may send only small bodies.
    let first = client.post("/listMessages", r#"{"messageBox":"x"}"#).await;
    assert_eq!(first.status, 200);
    for number in 0..bytes / EACH {
        let message = json!({"message": {
            "messageBox": "inbox", "messageId": number.to_string(), "recipient": recipient, "body": "x".repeat(EACH),
        }});
        let sent = client.post("/sendMessage", message.to_string()).await;
        assert_eq!(sent.status, 200);
    }
    client
}

#[actix_web::test]
async fn a_client_that_hardly_reads_its_list_is_cut_when_others_need_the_memory() {
    let server = TestServer::with(|settings| {
        settings.server.max_buffered_bytes = 32 << 20;
        settings.messages.max_message_bytes = 0;
    });
    let (slow, other) = (
        with_messages(&server, 12 << 20).await,
        with_messages(&server, 12 << 20).await,
    );
    let list =
        |client: &Brc104| client.request("POST", "/listMessages", r#"{"messageBox":"inbox"}"#);
    let mut unread = small_connection(server.address).await;
    let request = raw_http::bytes(&list(&slow));
    unread.write_all(&request).await.unwrap();
    within("the answer", unread.read_u8()).await.unwrap();
    // An empty box can still be listed.
    let empty = other.post("/listMessages", r#"{"messageBox":"x"}"#).await;
    assert_eq!(empty.status, 200);
    // Until the server notices that the first client hardly reads.
    loop {
        let answer = within("a list", other.send(&list(&other))).await;
        if answer.status == 200 {
            break;
        }
        assert_eq!((answer.status, answer.code()), (503, "ERR_OVERLOADED"));
    }
    let mut rest = Vec::new();
    let _ = within("its end", unread.read_to_end(&mut rest)).await;
    assert!(rest.len() < 12 << 20, "{}", rest.len());
}

/// Reading a large message takes long. It waits for a heavy-work thread, and nobody waits for it.
#[actix_web::test]
async fn large_messages_are_read_off_the_workers_in_their_order() {
    let server = TestServer::start();
    let heavy = Arc::clone(server.service.heavy.threads());
    let threads = u32::try_from(heavy.available_permits()).unwrap();
    let busy = heavy.acquire_many(threads).await.unwrap();
    let http = Brc104::connect(&server.http("")).await;
    let recipient = http.identity.identity_key().to_hex();
    let message = |id: &str, bytes: usize| {
        json!({"message": {
            "messageBox": "inbox", "messageId": id, "recipient": recipient, "body": "x".repeat(bytes),
        }})
    };
    let mut socket = AuthSocketClient::authenticated(server.address).await;
    let room = RoomId::of(&http.identity.identity_key(), "inbox");
    for (id, bytes) in [("s1", 200_000), ("s2", 1)] {
        socket.send_message(&room, id, &"x".repeat(bytes)).await;
    }
    let large = message("h1", 200_000);
    let mut sending = Box::pin(http.post("/sendMessage", large.to_string()));
    let small = Brc104::connect(&server.http("")).await;
    let others = async {
        for id in ["o1", "o2", "o3"] {
            let sent = small.post("/sendMessage", message(id, 1).to_string()).await;
            assert_eq!(sent.status, 200);
        }
    };
    tokio::select! {
        biased;
        sent = &mut sending => panic!("{} without a thread", sent.status),
        () = others => {}
    }
    // The server counts them after their answers.
    assert!(server.db.status().stored <= 3);
    drop(busy);
    assert_eq!(within("the large one", sending).await.status, 200);
    for id in ["s1", "s2"] {
        let (name, ack) = socket.event().await;
        assert_eq!(
            (name, &ack["messageId"]),
            (format!("sendMessageAck-{room}"), &json!(id))
        );
    }
}

#[actix_web::test]
async fn the_socket_with_the_most_unread_is_cut_when_all_together_have_too_much() {
    let server = TestServer::with(|settings| {
        settings.server.max_buffered_bytes = 4 << 20;
        settings.socket.pace = "1/1".parse().unwrap();
    });
    let sender = Brc104::connect(&server.http("")).await;
    let (much, little) = (Arc::new(Identity::random()), Arc::new(Identity::random()));
    let mut slowest = websocket_member(server.address, Arc::clone(&much)).await;
    let _other = websocket_member(server.address, Arc::clone(&little)).await;
    let outbound = server.sockets.outbound();
    for number in 0..25 {
        let recipient = if number % 10 == 0 { &little } else { &much };
        let message = json!({"message": {
            "messageBox": "inbox", "messageId": number.to_string(), "body": "x".repeat(30_000),
            "recipient": recipient.identity_key().to_hex(),
        }});
        let sent = sender.post("/sendMessage", message.to_string()).await;
        assert_eq!(sent.status, 200);
    }
    let mut bytes = Vec::new();
    let _ = within("its end", slowest.read_to_end(&mut bytes)).await;
    eventually("free memory", || !outbound.is_full()).await;
    assert_eq!(server.sockets.len(), 1);
}

#[actix_web::test]
async fn a_message_that_is_too_large_for_a_frame_is_listed_and_not_delivered() {
    let server = TestServer::with(|settings| settings.socket.max_outbound_bytes = 80_000);
    let alice = Brc104::connect(&server.http("")).await;
    let mut bob = AuthSocketClient::authenticated(server.address).await;
    let bob_http = Brc104::connect_as(&server.http(""), Arc::clone(&bob.identity)).await;
    let recipient = bob.key().to_hex();
    for (id, length) in [("large", 10_001), ("grows", 9_999), ("small", 9_000)] {
        let body = if id == "grows" { "\"" } else { "x" }.repeat(length);
        let message = json!({"message": {
            "messageBox": "inbox", "messageId": id, "recipient": recipient, "body": body,
        }});
        let sent = alice.post("/sendMessage", message.to_string()).await;
        assert_eq!(sent.status, 200);
    }
    assert_eq!(bob.event().await.1["messageId"], "small");
    let listed = bob_http
        .post("/listMessages", r#"{"messageBox":"inbox"}"#)
        .await;
    assert_eq!(listed.json["messages"].as_array().unwrap().len(), 3);
    let status = server.service.rooms.status().await.unwrap();
    assert_eq!((status.too_large, status.deliveries), (2, 1));
}

#[actix_web::test]
async fn frames_that_wait_for_a_proof_are_bounded_by_their_bytes() {
    let server = TestServer::with(|settings| settings.server.max_buffered_bytes = 800_000);
    let waiting = &server.service.waiting;
    let lost = AuthSocketClient::authenticated(server.address).await;
    let frame = lost.signed("sendMessage", &json!({"body": "x".repeat(10_000)}));
    let [mut first, mut second] = [
        AuthSocketClient::connect(server.address, Arc::new(Identity::random())).await,
        AuthSocketClient::connect(server.address, Arc::new(Identity::random())).await,
    ];
    // As if the server did not have its session.
    let frame = frame.replace(r#""yourNonce":""#, r#""yourNonce":"AAAA"#);
    let fits = 100_000 / frame.len();
    assert!((2..8).contains(&fits), "{fits}");
    for _ in 0..fits {
        first.send_auth(&frame).await;
    }
    eventually("the frames", || waiting.held() == fits * frame.len()).await;
    second.send_auth(&frame).await;
    second.websocket.closed().await;
    assert_eq!(waiting.held(), fits * frame.len());
    drop(first);
    eventually("the memory", || waiting.held() == 0).await;
}

#[actix_web::test]
async fn packets_that_wait_count_for_the_identity_wherever_it_is() {
    let server = TestServer::with(|settings| settings.server.max_buffered_bytes = 1_600_000);
    let waiting = &server.service.waiting;
    let own = Arc::new(Identity::random());
    let connect = |identity| AuthSocketClient::authenticated_as(server.address, identity);
    let [mut first, mut second] = [connect(Arc::clone(&own)).await, connect(own).await];
    let mut other = connect(Arc::new(Identity::random())).await;
    // Its attachment never comes.
    let unfinished = format!(
        r#"451-["x","{}",{{"_placeholder":true,"num":0}}]"#,
        "x".repeat(20_000)
    );
    first.websocket.send(&unfinished).await;
    eventually("the packet", || waiting.held() > 20_000).await;
    // Loopback has no limit. The identity has a sixteenth of 200,000 bytes.
    second.websocket.send(&unfinished).await;
    second.websocket.closed().await;
    other.websocket.send(&unfinished).await;
    eventually("the other's packet", || waiting.held() > 40_000).await;
}

#[actix_web::test]
async fn handshakes_on_a_socket_count_for_its_address() {
    const SENT: usize = 200;
    let strict = |settings: &mut Settings| {
        settings.limits.unlimited_addresses = Networks::default();
        settings.limits.handshakes_per_address = 1;
    };
    let server = TestServer::with(strict);
    let mut client = AuthSocketClient::connect(server.address, Arc::new(Identity::random())).await;
    for _ in 0..SENT {
        let request = client.peer.start_handshake().unwrap();
        client.send_auth(&request).await;
    }
    // The refusal of this unsigned event comes after the answers to all of them.
    client.websocket.send(r#"42["joinRoom",{}]"#).await;
    let mut answered = 0;
    while client.websocket.text().await.contains("initialResponse") {
        answered += 1;
    }
    assert!((1..SENT / 2).contains(&answered), "{answered}");
}
