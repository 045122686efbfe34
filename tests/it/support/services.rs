//! All services of a recording at one address: wallet, block headers, trackers and overlay services.
//!
//! They give each recorded answer once, and note every request that was not recorded. The address is also an HTTP proxy
//! that answers every request itself, with TLS after `CONNECT`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

use super::tls::acceptor;

/// The first byte of a TLS connection.
const HANDSHAKE: u8 = 0x16;

#[derive(Default)]
struct Play {
    left: Vec<Value>,
    unknown: Vec<Value>,
}

/// The services. They end when dropped.
pub struct Services {
    pub address: SocketAddr,
    play: Arc<Mutex<Play>>,
    running: Option<Runtime>,
}

impl Services {
    /// Answers these requests in any order.
    pub fn start(exchanges: &Value) -> Self {
        let play = Arc::new(Mutex::new(Play {
            left: exchanges.as_array().unwrap().clone(),
            unknown: Vec::new(),
        }));
        let running = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (sender, receiver) = mpsc::channel();
        let shared = Arc::clone(&play);
        running.spawn(async move {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self {
            address: receiver.recv().unwrap(),
            play,
            running: Some(running),
        }
    }

    /// Checks that every recorded request came, and no other.
    pub fn check(&self) {
        let play = self.play.lock().unwrap();
        let requests = |of: &[Value]| -> String {
            let lines = of.iter().map(|exchange| exchange["request"].to_string());
            lines.collect::<Vec<_>>().join("\n")
        };
        let (missing, unknown) = (requests(&play.left), requests(&play.unknown));
        assert!(
            missing.is_empty() && unknown.is_empty(),
            "missing requests:\n{missing}\nunrecorded requests:\n{unknown}"
        );
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        // Dropping a runtime waits for it, which is not allowed inside another runtime.
        if let Some(running) = self.running.take() {
            running.shutdown_background();
        }
    }
}

async fn serve(mut stream: TcpStream, play: Arc<Mutex<Play>>) {
    let mut first = [0];
    if stream
        .peek(&mut first)
        .await
        .is_ok_and(|_| first == [HANDSHAKE])
    {
        return serve_tls(stream, &play).await;
    }
    let mut read = Vec::new();
    if let Some(end) = head(&mut stream, &mut read).await
        && read.starts_with(b"CONNECT ")
    {
        assert_eq!(end, read.len());
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        return serve_tls(stream, &play).await;
    }
    serve_http(stream, read, &play).await;
}

async fn serve_tls(stream: TcpStream, play: &Mutex<Play>) {
    if let Ok(stream) = acceptor().accept(stream).await {
        serve_http(stream, Vec::new(), play).await;
    }
}

/// Reads a whole head and returns its length.
async fn head(stream: &mut (impl AsyncRead + Unpin), read: &mut Vec<u8>) -> Option<usize> {
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            return Some(end + 4);
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
}

async fn serve_http(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    mut read: Vec<u8>,
    play: &Mutex<Play>,
) {
    while let Some(end) = head(&mut stream, &mut read).await {
        let text = String::from_utf8(read.drain(..end).collect()).unwrap();
        let mut lines = text.split("\r\n");
        let mut words = lines.next().unwrap().split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let named = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        let lines = lines.filter(|line| !line.is_empty());
        let mut headers: BTreeMap<String, String> = lines.map(named).collect();
        let length = headers.remove("content-length").unwrap();
        let length: usize = length.parse().unwrap();
        while read.len() < length {
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0);
        }
        let body: Vec<u8> = read.drain(..length).collect();
        let host = headers.remove("host").unwrap();
        let path = match target.strip_prefix("http://") {
            Some(rest) => rest.trim_start_matches(|char| char != '/'),
            None => target,
        };
        let host = match (host.starts_with("127.0.0.1:"), path.starts_with("/api/")) {
            (true, true) => "headers",
            (true, false) => "wallet",
            (false, _) => host.as_str(),
        };
        let request = json!({
            "method": method, "host": host, "path": path, "headers": headers, "body": shown(&body),
        });
        if stream.write_all(&answer(play, &request)).await.is_err() {
            return;
        }
    }
}

fn shown(body: &[u8]) -> Value {
    match serde_json::from_slice::<Value>(body) {
        Ok(json) => json!({ "json": json }),
        Err(_) => json!({ "hex": hex::encode(body) }),
    }
}

fn answer(play: &Mutex<Play>, request: &Value) -> Vec<u8> {
    let mut play = play.lock().unwrap();
    let of_it = |exchange: &Value| exchange["request"] == *request;
    let Some(found) = play.left.iter().position(of_it) else {
        play.unknown.push(json!({ "request": request }));
        return b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec();
    };
    let answer = play.left.remove(found)["answer"].take();
    let body = match answer["body"]["hex"].as_str() {
        Some(bytes) => hex::decode(bytes).unwrap(),
        None => answer["body"]["json"].to_string().into_bytes(),
    };
    let content_type = answer["contentType"].as_str().unwrap();
    let mut bytes = format!(
        "HTTP/1.1 {} Recorded\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        answer["status"],
        body.len()
    )
    .into_bytes();
    bytes.extend(body);
    bytes
}
