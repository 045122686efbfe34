//! Slow connections: each is cut off, and others are served in the meantime.

use std::num::NonZeroU64;
use std::time::Duration;

use messagebox::config::Settings;
use messagebox::limits::Networks;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::brc104::Brc104;
use crate::support::polling::Polling;
use crate::support::server::TestServer;
use crate::support::{eventually, within};

fn short(settings: &mut Settings) {
    settings.server.head_timeout = Duration::from_secs(2);
    settings.server.keep_alive = Duration::from_secs(1);
    settings.server.request_timeout = Duration::from_secs(2);
}

/// Sends this byte by byte until the server closes the connection. Returns its answer.
async fn drip(server: &TestServer, begin: &str, rest: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(begin.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    let mut rest = rest.bytes().cycle();
    let dripping = async {
        loop {
            tokio::select! {
                read = stream.read(&mut buffer) => match read {
                    Ok(0) | Err(_) => return,
                    Ok(read) => answer.extend_from_slice(&buffer[..read]),
                },
                () = tokio::time::sleep(Duration::from_millis(20)) => {
                    let byte = rest.next().unwrap_or(b'x');
                    if stream.write_all(&[byte]).await.is_err() {
                        return;
                    }
                }
            }
        }
    };
    within("the end of a slow request", dripping).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Checks that another client is served while `slow` runs.
async fn others_are_served(server: &TestServer, slow: impl Future<Output = String>) -> String {
    let serving = async {
        let client = Brc104::connect(&server.http("")).await;
        let list = json!({"messageBox": "inbox"}).to_string();
        for _ in 0..20 {
            assert_eq!(client.post("/listMessages", list.clone()).await.status, 200);
        }
    };
    let ((), answer) = futures_util::future::join(serving, slow).await;
    answer
}

#[actix_web::test]
async fn a_head_that_drips_is_cut_off() {
    let server = TestServer::with(short);
    let begin = "GET /docs/ HTTP/1.1\r\nx-slow: ";
    let answer = others_are_served(&server, drip(&server, begin, "x")).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
}

#[actix_web::test]
async fn a_connection_without_a_request_is_cut_off() {
    let server = TestServer::with(short);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut answer = String::new();
    within("the end", stream.read_to_string(&mut answer))
        .await
        .unwrap();
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
}

#[actix_web::test]
async fn an_idle_connection_is_cut_off() {
    let server = TestServer::with(short);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = "GET /docs HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("the end", stream.read_to_string(&mut answer))
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 302"), "{answer}");
}

#[actix_web::test]
async fn a_second_head_that_drips_is_cut_off_too() {
    let server = TestServer::with(short);
    let begin = "GET /docs HTTP/1.1\r\nhost: x\r\n\r\nGET /docs/ HTTP/1.1\r\nx-slow: ";
    let answer = others_are_served(&server, drip(&server, begin, "x")).await;
    assert!(answer.starts_with("HTTP/1.1 302"), "{answer}");
}

#[actix_web::test]
async fn a_body_that_drips_is_cut_off() {
    let server = TestServer::with(short);
    let begin = "POST /.well-known/auth HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n";
    let answer = others_are_served(&server, drip(&server, begin, " ")).await;
    assert!(
        answer.starts_with("HTTP/1.1 408") && answer.contains("ERR_REQUEST_TIMEOUT"),
        "{answer}"
    );
}

#[actix_web::test]
async fn a_post_of_polling_that_drips_is_cut_off() {
    let server = TestServer::with(short);
    let url = server.http("/socket.io/?EIO=4&transport=polling");
    let session = Polling::open(&url).await;
    let begin = format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={} HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n4",
        session.sid
    );
    let answer = others_are_served(&server, drip(&server, &begin, "x")).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    // The session still works, and a poll may wait for long.
    let poll = session.get();
    let join = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(session.post("40").await.0, 200);
    };
    let ((status, text), ()) = futures_util::future::join(poll, join).await;
    assert_eq!(status, 200);
    assert!(text.starts_with("40{"), "{text}");
}

/// Stores a message of 8 MiB in a box and requests it on a connection with a small receive buffer.
async fn large_answer(server: &TestServer, receive_buffer: u32) -> TcpStream {
    let client = Brc104::connect(&server.http("")).await;
    let message = json!({"messageBox": "inbox", "messageId": "1", "body": "x".repeat(LARGE),
        "recipient": client.identity.identity_key().to_hex()});
    let sent = client
        .post("/sendMessage", json!({"message": message}).to_string())
        .await;
    assert_eq!(sent.status, 200);
    let list = json!({"messageBox": "inbox"}).to_string();
    let request = client.request("POST", "/listMessages", list);
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(receive_buffer).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    let header = |(name, value): &(String, String)| format!("{name}: {value}\r\n");
    let headers: String = request.headers.iter().map(header).collect();
    let head = format!(
        "{} {} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n",
        request.method,
        request.target,
        request.body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&request.body).await.unwrap();
    stream
}

/// More than the kernels on both sides buffer.
const LARGE: usize = 8 << 20;

#[actix_web::test]
async fn an_answer_that_is_read_byte_by_byte_is_cut_off() {
    let server = TestServer::with(|settings| {
        settings.messages.max_message_bytes = 0;
        short(settings);
        settings.server.request_timeout = Duration::from_secs(4);
        settings.server.min_answer_rate = NonZeroU64::new(1 << 30).unwrap();
        settings.limits.unlimited_addresses = Networks::default();
    });
    let mut stream = large_answer(&server, 4 << 10).await;
    let mut byte = [0];
    within("the answer's beginning", stream.read_exact(&mut byte))
        .await
        .unwrap();
    others_are_served(&server, async { String::new() }).await;
    // It reads a byte now and then until the server has closed this connection and all others.
    eventually("the end", || {
        let _ = stream.try_read(&mut byte);
        server.state.addresses.connection_count() == 0
    })
    .await;
    // Everything that the server had sent can still be read.
    let mut rest = Vec::new();
    let _ = within("the rest", stream.read_to_end(&mut rest)).await;
    assert!(rest.len() < LARGE, "{}", rest.len());
}

#[actix_web::test]
async fn an_answer_that_is_read_slowly_is_read_whole() {
    let server = TestServer::with(|settings| {
        settings.messages.max_message_bytes = 0;
        settings.server.head_timeout = Duration::from_millis(900);
        settings.server.keep_alive = Duration::from_millis(100);
    });
    let mut answer = large_answer(&server, 64 << 10).await;
    let mut length = 0;
    let mut buffer = vec![0; 64 << 10];
    let start = std::time::Instant::now();
    while length < LARGE {
        // In all, far longer than a connection may be idle.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let read = within("more of the answer", answer.read(&mut buffer))
            .await
            .unwrap();
        assert!(read > 0, "the answer ended after {length} bytes");
        length += read;
    }
    assert!(
        start.elapsed() > Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
}

/// Sends a request on a connection and reads the head of its answer.
async fn ask_on(stream: &mut TcpStream) -> std::io::Result<String> {
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: test\r\n\r\n")
        .await?;
    let mut answer = vec![0; 4_096];
    let read = stream.read(&mut answer).await?;
    answer.truncate(read);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Current clients pause and reuse their connection.
async fn a_connection_is_kept_for(server: &TestServer, pause: Duration) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for request in 0..2 {
        let answer = within("an answer", ask_on(&mut stream)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{request}: {answer:?}");
        tokio::time::sleep(pause).await;
    }
}

#[actix_web::test]
async fn a_connection_is_kept_for_as_long_as_is_set() {
    let default = Settings::default();
    assert!(default.server.keep_alive >= Duration::from_secs(75));
    let server = TestServer::with(|settings| {
        settings.server.head_timeout = Duration::from_millis(100);
        settings.server.keep_alive = Duration::from_secs(2);
    });
    a_connection_is_kept_for(&server, Duration::from_millis(1_200)).await;
}

#[actix_web::test]
#[ignore = "takes more than a minute: tests/long/idle_connections"]
async fn a_connection_is_kept_for_a_minute_by_default() {
    let server = TestServer::start();
    a_connection_is_kept_for(&server, Duration::from_secs(60)).await;
}
