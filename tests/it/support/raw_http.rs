//! HTTP as raw bytes, for requests that ordinary clients refuse to send.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::brc104::Request;
use super::within;

/// An answer as it came.
#[derive(Debug)]
pub struct RawAnswer {
    pub status: u16,
    /// Whether it carries a signature, which is not verified.
    pub signed: bool,
    pub body: String,
}

impl RawAnswer {
    /// The code of a failure.
    pub fn code(&self) -> &str {
        let (_, code) = self.body.split_once(r#""code":""#).unwrap_or_default();
        code.split('"').next().unwrap_or_default()
    }
}

/// The lines of these headers.
pub fn lines(headers: &[(String, String)]) -> String {
    let line = |(name, value): &(String, String)| format!("{name}: {value}\r\n");
    headers.iter().map(line).collect()
}

/// A head with this method, target, headers and further lines, ready for the body.
pub fn head(method: &str, target: &str, headers: &[(String, String)], more: &str) -> String {
    let headers = lines(headers);
    format!("{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}{more}\r\n")
}

/// The bytes of a request with its length and `connection: close`.
pub fn bytes(request: &Request) -> Vec<u8> {
    let length = format!("content-length: {}\r\n", request.body.len());
    let head = head(&request.method, &request.target, &request.headers, &length);
    [head.as_bytes(), &request.body].concat()
}

/// Sends these bytes on a new connection and returns all answers until its end.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<RawAnswer> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A connection that closes with unread bytes is reset after the answer.
    let _ = within("the end", stream.read_to_end(&mut answer)).await;
    let text = String::from_utf8(answer).unwrap();
    text.split("HTTP/1.1 ").skip(1).map(read).collect()
}

/// The one answer to these bytes.
pub async fn ask(address: SocketAddr, bytes: &[u8]) -> RawAnswer {
    let mut answers = exchange(address, bytes).await;
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers.remove(0)
}

fn read(text: &str) -> RawAnswer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    RawAnswer {
        status: head.split_at(3).0.parse().unwrap(),
        signed: head.contains("\r\nx-bsv-auth-signature: "),
        body: body.to_owned(),
    }
}
