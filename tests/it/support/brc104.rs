//! A BRC-104 client. Tests can change every part of its requests.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use messagebox::auth::canonical::{Direction, SignedRequest, SignedResponse, signed_headers};
use messagebox::auth::{AuthMessage, Handled, Identity, Peer, PeerConfig, Session, message_nonce};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::polling::client;

/// A session with a server.
pub struct Brc104 {
    pub identity: Arc<Identity>,
    pub session: Session,
    base: String,
}

/// A signed request. Tests change it to be wrong.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub json: Value,
    /// Whether it carries a valid signature of the server for this request.
    pub signed: bool,
    pub headers: Vec<(String, String)>,
}

/// Checks that the signed headers are within the limits of all published clients. Those before SDK 2.8.5 have the
/// strictest.
fn assert_readable(headers: &[(String, String)]) {
    let is_signed = |name: &str| {
        name == "authorization" || (name.starts_with("x-bsv-") && !name.starts_with("x-bsv-auth"))
    };
    let signed: Vec<_> = headers.iter().filter(|(name, _)| is_signed(name)).collect();
    let sizes = signed.iter().map(|(name, value)| name.len() + value.len());
    let sizes: Vec<usize> = sizes.collect();
    assert!(signed.len() <= 128, "{} signed headers", signed.len());
    assert!(sizes.iter().sum::<usize>() <= 64 * 1024, "{sizes:?}");
    for (name, value) in signed {
        assert!(name.len() <= 256 && value.len() <= 8_192, "{name}");
    }
    // An even number of hexadecimal digits, at most 2,048.
    let signature = headers
        .iter()
        .find(|(name, _)| name == "x-bsv-auth-signature");
    if let Some((_, signature)) = signature {
        assert!(signature.len() <= 2_048 && hex::decode(signature).is_ok());
    }
}

impl Answer {
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// Whether the server does not have the session. Published clients shake hands again when they see these words.
    pub fn is_unknown_session(&self) -> bool {
        let description = self.json["description"].as_str().unwrap_or_default();
        let named = description.starts_with("Session not found for nonce");
        self.status == 401 && !self.signed && named
    }

    /// Whether the server refused the request because it had served it before.
    pub fn is_replay(&self) -> bool {
        (self.status, self.signed, self.code()) == (401, false, "ERR_AUTH_FAILED")
            && !self.is_unknown_session()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Request {
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub fn get(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }
}

impl Brc104 {
    pub async fn connect(base: &str) -> Self {
        Self::connect_as(base, Arc::new(Identity::random())).await
    }

    pub async fn connect_as(base: &str, identity: Arc<Identity>) -> Self {
        let connected = Self::try_connect_as(base, identity).await;
        connected.expect("the server is gone")
    }

    /// Returns `None` if the server is gone.
    pub async fn try_connect_as(base: &str, identity: Arc<Identity>) -> Option<Self> {
        let mut peer = Peer::new(Arc::clone(&identity), PeerConfig::default());
        let handshake = peer.start_handshake().unwrap();
        let request = client()
            .post(format!("{base}/.well-known/auth"))
            .insert_header(("content-type", "application/json"));
        let mut response = request.send_body(handshake).await.ok()?;
        assert_eq!(response.status(), 200);
        let body = response.body().await.ok()?;
        let text = std::str::from_utf8(&body).unwrap();
        let handled = peer.handle(&AuthMessage::parse(text).unwrap()).unwrap();
        assert!(matches!(handled, Handled::Established(_)));
        Some(Self {
            identity,
            session: peer.into_authenticated_sessions().pop().unwrap(),
            base: base.to_owned(),
        })
    }

    /// The same session at another server.
    pub fn at(mut self, base: &str) -> Self {
        base.clone_into(&mut self.base);
        self
    }

    /// A client in a session that began elsewhere.
    pub fn in_session(base: &str, identity: Arc<Identity>, session: Session) -> Self {
        Self {
            identity,
            session,
            base: base.to_owned(),
        }
    }

    pub fn request(&self, method: &str, target: &str, body: impl Into<Vec<u8>>) -> Request {
        let body = body.into();
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        self.sign(Request {
            method: method.to_owned(),
            target: target.to_owned(),
            headers,
            body,
        })
    }

    /// Signs a request as it is.
    pub fn sign(&self, request: Request) -> Request {
        let request_id: [u8; 32] = rand::random();
        let (path, query) = request
            .target
            .split_once('?')
            .unwrap_or((&request.target, ""));
        let headers = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let digest = SignedRequest {
            request_id: &request_id,
            method: &request.method,
            path,
            query,
            headers: &signed_headers(headers, Direction::Request).unwrap(),
            body: &request.body,
        }
        .digest();
        let nonce = message_nonce();
        let signature = self.session.sign(&nonce, &digest).unwrap();
        request
            .set("x-bsv-auth-version", "0.1")
            .set(
                "x-bsv-auth-identity-key",
                self.identity.identity_key().to_hex(),
            )
            .set("x-bsv-auth-nonce", nonce)
            .set("x-bsv-auth-your-nonce", self.session.peer_nonce())
            .set("x-bsv-auth-signature", hex::encode(&*signature))
            .set("x-bsv-auth-request-id", STANDARD.encode(request_id))
    }

    pub async fn post(&self, target: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.send(&self.request("POST", target, body)).await
    }

    pub async fn send(&self, request: &Request) -> Answer {
        self.try_send(request).await.expect("the server is gone")
    }

    /// Sends the request to this server, whichever server the session began with.
    pub async fn send_to(&self, base: &str, request: &Request) -> Answer {
        let answer = self.try_send_to(base, request).await;
        answer.expect("the server is gone")
    }

    /// Sends a request and closes the connection when `then` is done, before the answer. Returns when the server has
    /// closed it too.
    pub async fn send_and_go(&self, request: &Request, then: impl Future<Output = ()>) {
        let host = self.base.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).await.unwrap();
        let header = |(name, value): &(String, String)| format!("{name}: {value}\r\n");
        let headers: String = request.headers.iter().map(header).collect();
        let head = format!(
            "{} {} HTTP/1.1\r\n{headers}host: {host}\r\ncontent-length: {}\r\n\r\n",
            request.method,
            request.target,
            request.body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&request.body).await.unwrap();
        then.await;
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"", "the request was answered");
    }

    /// Returns `None` if the server is gone.
    pub async fn try_send(&self, request: &Request) -> Option<Answer> {
        self.try_send_to(&self.base, request).await
    }

    async fn try_send_to(&self, base: &str, request: &Request) -> Option<Answer> {
        let url = format!("{base}{}", request.target);
        let mut out = client().request(request.method.parse().unwrap(), url);
        for (name, value) in &request.headers {
            out = out.append_header((name.as_str(), value.as_str()));
        }
        let mut response = out.send_body(request.body.clone()).await.ok()?;
        let body = response.body().limit(256 << 20).await.ok()?;
        let headers: Vec<(String, String)> = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()))
            .collect();
        let status = response.status().as_u16();
        assert_readable(&headers);
        Some(Answer {
            status,
            signed: self.is_signed(request, status, &headers, &body),
            json: serde_json::from_slice(&body).unwrap_or(Value::Null),
            headers,
        })
    }

    fn is_signed(
        &self,
        request: &Request,
        status: u16,
        headers: &[(String, String)],
        body: &[u8],
    ) -> bool {
        let get = |name: &str| {
            let found = headers.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let Ok(signature) = hex::decode(get("x-bsv-auth-signature")) else {
            return false;
        };
        let Ok(request_id) = STANDARD.decode(get("x-bsv-auth-request-id")) else {
            return false;
        };
        let Ok(request_id) = <[u8; 32]>::try_from(request_id) else {
            return false;
        };
        let names = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let digest = SignedResponse {
            request_id: &request_id,
            status,
            headers: &signed_headers(names, Direction::Response).unwrap(),
            body,
        }
        .digest();
        get("x-bsv-auth-request-id") == request.get("x-bsv-auth-request-id")
            && self
                .session
                .verify(&get("x-bsv-auth-nonce"), &digest, &signature)
                .is_ok()
    }
}
