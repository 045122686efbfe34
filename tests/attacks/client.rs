//! A signed HTTP client on one connection from an address of the caller's choice.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use messagebox::auth::{AuthMessage, Handled, Identity, Peer, PeerConfig};
use messagebox::ids::IdentityKey;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::brc104::{Brc104, Request};
use crate::support::raw_http::lines;

/// A list of the box to which all attacks send.
pub const LIST: &str = r#"{"messageBox":"inbox"}"#;

/// The body of `POST /sendMessage` for one recipient.
pub fn message(recipient: IdentityKey, message_box: &str, id: &str, body: &str) -> String {
    json!({"message": {"recipient": recipient.to_hex(), "messageBox": message_box, "messageId": id, "body": body}})
        .to_string()
}

/// The same for many recipients, with ids that start with `id`.
pub fn message_to_all(recipients: &[String], id: &str, body: &str) -> String {
    let ids: Vec<String> = (0..recipients.len()).map(|n| format!("{id} {n}")).collect();
    json!({"message": {"recipients": recipients, "messageBox": "inbox", "messageId": ids, "body": body}})
        .to_string()
}

/// Identity keys that belong to no one.
pub fn strangers(count: usize) -> Vec<String> {
    let keys = (0..count).map(|_| Identity::random().identity_key().to_hex());
    keys.collect()
}

/// An answer whose signature was not verified.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub signed: bool,
    pub json: Value,
    pub length: usize,
}

impl Reply {
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }
}

/// One session on one connection. The client reconnects when the server has closed it.
pub struct Client {
    pub signer: Brc104,
    server: SocketAddr,
    from: Ipv4Addr,
    stream: Option<TcpStream>,
}

pub async fn connect_from(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    connect_with(TcpSocket::new_v4()?, from, to).await
}

/// The same with a small receive buffer, so that the kernel holds little unread data.
pub async fn connect_small(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4_096)?;
    connect_with(socket, from, to).await
}

async fn connect_with(socket: TcpSocket, from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    socket.bind(SocketAddr::from((from, 0)))?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A head that keeps its connection open.
pub fn head(request: &Request, more: &str) -> String {
    let (method, target) = (&request.method, &request.target);
    let headers = lines(&request.headers);
    format!("{method} {target} HTTP/1.1\r\nhost: messages.example\r\n{headers}{more}\r\n")
}

/// A whole request that keeps its connection open.
pub fn wire(request: &Request) -> Vec<u8> {
    let length = format!("content-length: {}\r\n", request.body.len());
    [head(request, &length).as_bytes(), &request.body].concat()
}

impl Client {
    pub async fn connect(server: SocketAddr, from: Ipv4Addr) -> Self {
        let identity = Arc::new(Identity::random());
        let client = Self::connect_as(server, from, identity).await;
        client.expect("a handshake")
    }

    /// A client that has authenticated its session with a first request.
    pub async fn proven(server: SocketAddr, from: Ipv4Addr) -> Self {
        let mut client = Self::connect(server, from).await;
        let first = client.post("/listMessages", LIST).await.unwrap();
        assert_eq!(first.status, 200, "{:?}", first.json);
        client
    }

    pub async fn connect_as(
        server: SocketAddr,
        from: Ipv4Addr,
        identity: Arc<Identity>,
    ) -> io::Result<Self> {
        let mut stream = connect_from(from, server).await?;
        let mut peer = Peer::new(Arc::clone(&identity), PeerConfig::default());
        let body = peer.start_handshake().map_err(io::Error::other)?;
        let request = Request {
            method: String::from("POST"),
            target: String::from("/.well-known/auth"),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.into_bytes(),
        };
        stream.write_all(&wire(&request)).await?;
        let reply = read_reply(&mut stream).await?;
        let text = reply.json.to_string();
        let message = AuthMessage::parse(&text).map_err(io::Error::other)?;
        let handled = peer.handle(&message).map_err(io::Error::other)?;
        if !matches!(handled, Handled::Established(_)) {
            return Err(io::Error::other(format!("{}: {text}", reply.status)));
        }
        let session = peer.into_authenticated_sessions().pop();
        let session = session.ok_or_else(|| io::Error::other("no session"))?;
        Ok(Self {
            signer: Brc104::in_session(&format!("http://{server}"), identity, session),
            server,
            from,
            stream: Some(stream),
        })
    }

    pub fn key(&self) -> IdentityKey {
        self.signer.identity.identity_key()
    }

    pub fn request(&self, method: &str, target: &str, body: impl Into<Vec<u8>>) -> Request {
        self.signer.request(method, target, body)
    }

    pub async fn post(&mut self, target: &str, body: impl Into<Vec<u8>>) -> io::Result<Reply> {
        let request = self.request("POST", target, body);
        self.send(&request).await
    }

    /// Sends a request as it is.
    pub async fn send(&mut self, request: &Request) -> io::Result<Reply> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect_from(self.from, self.server).await?,
        };
        stream.write_all(&wire(request)).await?;
        let reply = read_reply(&mut stream).await?;
        self.stream = Some(stream);
        Ok(reply)
    }

    /// Writes these bytes on a new connection from the client's address.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<TcpStream> {
        let mut stream = connect_from(self.from, self.server).await?;
        stream.write_all(bytes).await?;
        Ok(stream)
    }
}

/// Writes a request as it is and reads its answer.
pub async fn ask_raw(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<Reply> {
    stream.write_all(bytes).await?;
    read_reply(stream).await
}

/// Reads one answer, whose head gives its length.
pub async fn read_reply(stream: &mut TcpStream) -> io::Result<Reply> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
    let header = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim)
    };
    let status = head.get(9..12).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(head.clone()))?;
    let length = header("content-length:").and_then(|length| length.parse::<usize>().ok());
    let mut body = read.split_off(end);
    match length {
        Some(length) => {
            while body.len() < length {
                if stream.read_buf(&mut body).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
        None => return Err(io::Error::other(format!("no length: {head}"))),
    }
    Ok(Reply {
        status,
        signed: header("x-bsv-auth-signature:").is_some(),
        json: serde_json::from_slice(&body).unwrap_or(Value::Null),
        length: body.len(),
    })
}
