//! Limits of one address and one identity: each limit holds, the answer names it, and nobody else is affected.

mod shapes;
mod sockets;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::http::Method;
use messagebox::auth::{Identity, Peer, PeerConfig};
use messagebox::config::{Secret, Settings};
use messagebox::limits::Networks;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::Brc104;
use crate::support::polling::{self, client};
use crate::support::raw_http;
use crate::support::server::TestServer;
use crate::support::{eventually, eventually_async, within};

/// More requests than any burst here.
const MANY: usize = 1_000;

/// A server that limits this machine too.
fn server(change: impl FnOnce(&mut Settings)) -> TestServer {
    TestServer::with(|settings| {
        settings.limits.unlimited_addresses = Networks::default();
        settings.limits.burst = Duration::from_secs(2);
        change(settings);
    })
}

/// Connects from this address of the machine.
async fn connect_from(address: &str, server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(SocketAddr::new(address.parse().unwrap(), 0))
        .unwrap();
    socket.connect(server).await.unwrap()
}

/// Sends a request on a connection that stays open. Returns the status, or 0 if the connection was closed.
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

/// Shakes hands until the server refuses. Returns the number of handshakes before that.
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
    panic!("no request was refused");
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
    eventually_async("the freed permit", async || {
        let mut again = connect_from("127.0.0.2", address).await;
        ask(&mut again, DOCUMENT).await == 302
    })
    .await;
    drop((second, other));
    eventually("all connections to close", || {
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
    eventually("all connections to close", || {
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
    // Entries further left come from the client and change nothing. Another client has its own limit.
    assert!(until_refused(&server, "127.0.0.2", "198.51.100.2, 203.0.113.2").await > 0);
    // Without a trusted proxy, the peer's address counts, whatever the header says.
    assert!(until_refused(&server, "127.0.0.3", "203.0.113.3").await > 0);
    // A new address could shake hands twice at once. Here one more may have become free in the meantime.
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
    // Preflights and documents do not count.
    assert_eq!(
        polling::get(&server.http("/docs/asyncapi.yaml")).await.0,
        200
    );
}

/// A body that stops one byte short holds its memory until its time limit.
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
            // The server may close the connection before all is written.
            let _ = stream.write_all(&vec![b'x'; length - 1]).await;
            if status == 0 {
                eventually("the body", || bodies.held() == before + length - 1).await;
                held.push(stream);
            } else {
                let mut status_line = [0; 12];
                within("an answer", stream.read_exact(&mut status_line))
                    .await
                    .unwrap();
                assert_eq!(status_line, format!("HTTP/1.1 {status}").as_bytes());
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
            assert!(refused < MANY, "{target}: guesses are not counted");
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
    // Another session of the same identity shares the limit.
    let mut other_session = Vec::new();
    for _ in 0..MANY {
        other_session.push(again.post("/listMessages", list.clone()).await.status);
        if other_session.ends_with(&[429]) {
            break;
        }
    }
    assert!(other_session.ends_with(&[429]));
    assert_eq!(bob.post("/listMessages", list.clone()).await.status, 200);
    // The session stays, and requests are possible again after a while.
    eventually_async("room for another request", async || {
        alice.post("/listMessages", list.clone()).await.status == 200
    })
    .await;
}

/// Flooding clients. Each has its own address and sends its next handshake as soon as the last is answered.
const FLOODERS: usize = 16;

/// A handshake costs the server a signature, runs to its end on the worker that reads it, and proves nothing.
/// Handshakes have no queue of their own and need none: a worker goes from connection to connection.
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
                        // The same request each time, so that only the server has work.
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
    // About ten rounds of all clients. There are many more when this thread has to wait for the machine.
    assert!(
        most <= 200 * FLOODERS,
        "{most} handshakes overtook a request"
    );
}
