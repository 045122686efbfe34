//! HTTP as browsers, proxies and old programs write it: unusual, but allowed.

use std::fmt::Write as _;
use std::net::SocketAddr;

use messagebox::config::Settings;
use messagebox::limits::Networks;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::brc104::Brc104;
use crate::support::raw_http::lines;
use crate::support::server::TestServer;
use crate::support::websocket::Websocket;
use crate::support::within;

const LIST: &str = r#"{"messageBox":"inbox"}"#;

/// More than `server.max_body_bytes` in these tests.
const TOO_LARGE: usize = 3_000_000;

/// A connection that is reused until the server closes it.
struct Connection(TcpStream);

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
    /// Whether the server announces the end of the connection.
    is_last: bool,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }

    /// The id of the session that this answer opens.
    fn sid(&self) -> String {
        let open = self.body.strip_prefix('0').unwrap();
        let open: serde_json::Value = serde_json::from_str(open).unwrap();
        open["sid"].as_str().unwrap().to_owned()
    }
}

impl Connection {
    async fn to(server: SocketAddr) -> Self {
        Self(TcpStream::connect(server).await.unwrap())
    }

    /// Connects from this address of the machine.
    async fn from(address: &str, server: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        let address = SocketAddr::new(address.parse().unwrap(), 0);
        socket.bind(address).unwrap();
        Self(socket.connect(server).await.unwrap())
    }

    /// Sends these bytes and reads the answer at the same time. Returns `None` if the connection ends without one.
    async fn ask(&mut self, bytes: &[u8]) -> Option<Answer> {
        let (mut reading, mut writing) = self.0.split();
        // The server need not read a body that it refuses.
        let write = async { writing.write_all(bytes).await.is_ok() };
        let read = read_answer(&mut reading);
        let (_, answer) = within("an answer", futures_util::future::join(write, read)).await;
        answer
    }
}

async fn read_answer(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<Answer> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut answer = Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        is_last: head.starts_with("HTTP/1.0"),
        head,
        body: String::new(),
    };
    if let Some(value) = answer.header("connection") {
        answer.is_last = value.eq_ignore_ascii_case("close");
    }
    let length = answer.header("content-length").map(str::to_owned);
    let mut body = Vec::new();
    if let Some(length) = length {
        body.resize(length.parse().unwrap(), 0);
        stream.read_exact(&mut body).await.unwrap();
    } else if answer.status != 204 {
        assert_eq!(answer.header("transfer-encoding"), None);
        stream.read_to_end(&mut body).await.unwrap();
    }
    answer.body = String::from_utf8(body).unwrap();
    Some(answer)
}

fn get(path: &str, more: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\n{more}\r\n").into_bytes()
}

fn small(settings: &mut Settings) {
    settings.server.max_body_bytes = 2_000_000;
}

/// How a body announces its end.
#[derive(Debug, Clone, Copy)]
enum Framing {
    Length,
    Chunks,
}

impl Framing {
    fn post(self, target: &str, headers: &str, body: &str) -> Vec<u8> {
        let mut text = format!("POST {target} HTTP/1.1\r\nhost: x\r\n{headers}");
        match self {
            Self::Length => write!(text, "content-length: {}\r\n\r\n{body}", body.len()).unwrap(),
            Self::Chunks => {
                text.push_str("transfer-encoding: chunked\r\n\r\n");
                for chunk in body.as_bytes().chunks(50_000) {
                    let chunk = std::str::from_utf8(chunk).unwrap();
                    write!(text, "{:x}\r\n{chunk}\r\n", chunk.len()).unwrap();
                }
                text.push_str("0\r\n\r\n");
            }
        }
        text.into_bytes()
    }
}

/// A connection pool reuses a connection after a refusal. The rest of a refused body must never count as a request.
#[actix_web::test]
async fn a_connection_is_used_again_after_a_refused_post_or_it_ends() {
    let server = TestServer::with(small);
    let alice = Brc104::connect(&server.http("")).await;
    // A body of this size that is no JSON and contains other requests.
    let filled = |size: usize| {
        let smuggled = "GET /docs HTTP/1.1\r\nhost: x\r\n\r\n";
        smuggled.repeat(size.div_ceil(smuggled.len()))
    };
    let unknown = "/socket.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA";
    let (mut cases, mut kept) = (0, 0);
    for framing in [Framing::Length, Framing::Chunks] {
        for size in [40, 60_000, TOO_LARGE] {
            let body = filled(size);
            let or_too_large = |status| if size == TOO_LARGE { 413 } else { status };
            // The server looks at no body of an unsigned request.
            for (target, is_signed, status) in [
                ("/sendMessage", true, or_too_large(400)),
                ("/nothing", true, or_too_large(404)),
                ("/.well-known/auth", false, or_too_large(400)),
                ("/sendMessage", false, 401),
                ("/healthz", false, 401),
                (unknown, false, 400),
            ] {
                let what = format!("{target} {is_signed} {framing:?} {size}");
                let signed = || lines(&alice.request("POST", target, &*body).headers);
                let headers = if is_signed { signed() } else { String::new() };
                let mut connection = Connection::to(server.address).await;
                let bytes = framing.post(target, &headers, &body);
                let answer = connection.ask(&bytes).await.expect(&what);
                assert_eq!(answer.status, status, "{what}");
                let next = connection.ask(&get("/healthz", "")).await;
                if answer.is_last {
                    assert!(next.is_none(), "{what}: {next:?}");
                } else {
                    let next = next.expect(&what);
                    assert_eq!((next.status, next.is_last), (200, false), "{what}");
                    kept += 1;
                }
                let is_read = size < TOO_LARGE && (is_signed || target == "/.well-known/auth");
                assert!(
                    !is_read || !answer.is_last,
                    "{what}: the connection was closed needlessly"
                );
                cases += 1;
            }
        }
    }
    assert_eq!((cases, kept >= 12), (36, true), "{kept}");
}

/// Without these headers a page may not read the answer, or not ask a server in a private network.
const CORS: [(&str, &str); 2] = [
    ("access-control-allow-origin", "*"),
    ("access-control-allow-private-network", "true"),
];

#[actix_web::test]
async fn a_page_may_read_every_error() {
    let server = TestServer::with(|settings| {
        small(settings);
        settings.limits.unlimited_addresses = Networks::default();
        settings.limits.unproven_sockets_per_address = 1;
    });
    let alice = Brc104::connect(&server.http("")).await;
    let signed = |target: &str, body: &str| {
        let headers = lines(&alice.request("POST", target, body).headers);
        Framing::Length.post(target, &headers, body)
    };
    let session = "/socket.io/?EIO=4&transport=polling";
    let unknown = format!("{session}&sid=AAAAAAAAAAAAAAAAAAAA");
    for (bytes, status) in [
        (get("/healthz", ""), 200),
        (signed("/sendMessage", "{"), 400),
        (Framing::Length.post("/.well-known/auth", "", "{"), 400),
        (get("/nothing", ""), 401),
        (signed("/nothing", LIST), 404),
        (signed("/sendMessage", &"x".repeat(TOO_LARGE)), 413),
        (get("/socket.io/?EIO=3&transport=polling", ""), 400),
        (get(&unknown, ""), 400),
        (Framing::Length.post(&unknown, "", "4x"), 400),
        (get(session, ""), 200),
        (get(session, ""), 429),
    ] {
        let mut connection = Connection::to(server.address).await;
        let answer = connection.ask(&bytes).await.unwrap();
        assert_eq!(answer.status, status, "{answer:?}");
        for (name, value) in CORS {
            assert_eq!(answer.header(name), Some(value), "{answer:?}");
        }
    }
}

#[actix_web::test]
async fn a_page_of_the_internet_may_ask_a_server_in_a_private_network() {
    let server = TestServer::start();
    let mut connection = Connection::to(server.address).await;
    for path in [
        "/sendMessage",
        "/.well-known/auth",
        "/healthz",
        "/nothing",
        "/socket.io/?EIO=4&transport=polling",
    ] {
        let preflight = format!(
            "OPTIONS {path} HTTP/1.1\r\nhost: x\r\norigin: https://app.example\r\n\
             access-control-request-method: POST\r\naccess-control-request-headers: content-type\r\n\
             access-control-request-private-network: true\r\n\r\n"
        );
        let answer = connection.ask(preflight.as_bytes()).await.unwrap();
        assert!(matches!(answer.status, 200 | 204), "{answer:?}");
        for (name, value) in CORS {
            assert_eq!(answer.header(name), Some(value), "{path}: {answer:?}");
        }
    }
}

/// Some clients and some proxies leave out the slash.
#[actix_web::test]
async fn sockets_are_found_without_the_slash_at_the_end() {
    let server = TestServer::start();
    let mut connection = Connection::to(server.address).await;
    let path = "/socket.io?EIO=4&transport=polling";
    let opened = connection.ask(&get(path, "")).await.unwrap();
    assert_eq!(opened.status, 200, "{opened:?}");
    let session = format!("{path}&sid={}", opened.sid());
    let posted = connection
        .ask(&Framing::Length.post(&session, "", "40"))
        .await;
    assert_eq!(posted.unwrap().body, "ok");
    let joined = connection.ask(&get(&session, "")).await.unwrap();
    assert!(joined.body.starts_with("40{"), "{joined:?}");
    let ws = format!(
        "ws://{}/socket.io?EIO=4&transport=websocket",
        server.address
    );
    let mut websocket = Websocket::open(&ws).await;
    websocket.send("40").await;
    assert!(websocket.text().await.starts_with("40{"));
}

/// By default, nginx speaks HTTP/1.0 to its upstream.
#[actix_web::test]
async fn a_proxy_may_speak_http_1_0() {
    let server = TestServer::start();
    let alice = Brc104::connect(&server.http("")).await;
    let old = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).unwrap();
        text.replacen("HTTP/1.1", "HTTP/1.0", 1).into_bytes()
    };
    let recipient = alice.identity.identity_key().to_hex();
    let send = |id: usize| {
        let body = "x".repeat(100_000);
        let message = json!({"recipient": recipient, "messageBox": "inbox", "messageId": id.to_string(), "body": body});
        json!({ "message": message }).to_string()
    };
    let signed = |more: &str, target: &str, body: &str| {
        let headers = lines(&alice.request("POST", target, body).headers);
        old(Framing::Length.post(target, &format!("{more}{headers}"), body))
    };
    for more in ["", "connection: close\r\n", "connection: keep-alive\r\n"] {
        let mut connection = Connection::to(server.address).await;
        let healthy = connection.ask(&old(get("/healthz", more))).await.unwrap();
        assert_eq!(healthy.status, 200, "{healthy:?}");
        let is_kept = more.contains("keep-alive");
        assert_eq!(healthy.is_last, !is_kept, "{healthy:?}");
        let next = connection.ask(&old(get("/healthz", more))).await;
        assert_eq!(next.is_some(), is_kept, "{next:?}");
    }
    for id in 0..20 {
        let mut connection = Connection::to(server.address).await;
        let sent = connection.ask(&signed("", "/sendMessage", &send(id))).await;
        assert_eq!(sent.unwrap().status, 200);
    }
    // HTTP/1.0 has no chunks: a list has a length, or ends with the connection.
    let mut connection = Connection::to(server.address).await;
    let listed = connection
        .ask(&signed("", "/listMessages", LIST))
        .await
        .unwrap();
    let listed: serde_json::Value = serde_json::from_str(&listed.body).unwrap();
    assert_eq!(listed["messages"].as_array().unwrap().len(), 20);
    let path = "/socket.io/?EIO=4&transport=polling";
    let mut connection = Connection::to(server.address).await;
    let opened = connection.ask(&old(get(path, ""))).await.unwrap();
    let session = format!("{path}&sid={}", opened.sid());
    let mut connection = Connection::to(server.address).await;
    let posted = connection
        .ask(&old(Framing::Length.post(&session, "", "40")))
        .await;
    assert_eq!(posted.unwrap().body, "ok");
    let mut connection = Connection::to(server.address).await;
    let joined = connection.ask(&old(get(&session, ""))).await.unwrap();
    assert!(joined.body.starts_with("40{"), "{joined:?}");
}

/// The forms in which proxies name a client. Each client may have one unauthenticated socket here. So a second one
/// under its plain address is refused, which shows the address that the first one counted for.
#[actix_web::test]
async fn a_client_is_recognized_in_every_form_of_x_forwarded_for() {
    let trusted = ["127.0.0.2", "127.0.0.4", "127.0.0.5", "127.0.0.6"];
    let server = TestServer::with(|settings| {
        settings.limits.unlimited_addresses = Networks::default();
        settings.limits.unproven_sockets_per_address = 1;
        settings.server.trusted_proxies = trusted.map(str::to_owned).to_vec().try_into().unwrap();
    });
    let open = async |from: &str, forwarded: &[&str]| {
        let mut connection = Connection::from(from, server.address).await;
        let line = |value: &&str| format!("X-Forwarded-For: {value}\r\n");
        let lines: String = forwarded.iter().map(line).collect();
        let request = get("/socket.io/?EIO=4&transport=polling", &lines);
        connection.ask(&request).await.unwrap().status
    };
    for (from, forwarded, client) in [
        ("127.0.0.2", &["203.0.113.1"][..], "203.0.113.1"),
        // The client may have written the entries further left.
        ("127.0.0.2", &["198.51.100.1, 203.0.113.2"], "203.0.113.2"),
        ("127.0.0.2", &["198.51.100.1", "203.0.113.3"], "203.0.113.3"),
        ("127.0.0.2", &["203.0.113.4,127.0.0.4"], "203.0.113.4"),
        (
            "127.0.0.2",
            &["203.0.113.5", "127.0.0.4, 127.0.0.5"],
            "203.0.113.5",
        ),
        ("127.0.0.2", &["203.0.113.6:4711"], "203.0.113.6"),
        ("127.0.0.2", &["\t 203.0.113.7 \t"], "203.0.113.7"),
        ("127.0.0.2", &["[2001:db8:1::1]:4711"], "2001:db8:1::2"),
        ("127.0.0.2", &["[2001:db8:2::1]"], "2001:db8:2::2"),
        ("127.0.0.2", &["::ffff:203.0.113.8"], "203.0.113.8"),
        // An unreadable entry counts for the proxy that wrote it.
        (
            "127.0.0.2",
            &["203.0.113.9, unknown, 127.0.0.4"],
            "127.0.0.4",
        ),
        ("127.0.0.5", &[""], "127.0.0.5"),
        // This peer is no trusted proxy.
        ("127.0.0.3", &["203.0.113.10"], "127.0.0.3"),
    ] {
        assert_eq!(open(from, forwarded).await, 200, "{forwarded:?}");
        let again = if client.starts_with("127.") {
            open(client, &[]).await
        } else {
            open("127.0.0.6", &[client]).await
        };
        assert_eq!(again, 429, "{forwarded:?}");
    }
}
