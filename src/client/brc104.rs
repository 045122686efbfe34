//! Authenticated HTTP (BRC-104): the handshake, signed requests and verified responses.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use parking_lot::Mutex;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};

use crate::auth::canonical::{Direction, SignedRequest, SignedResponse, signed_headers};
use crate::auth::{
    AUTH_VERSION, AuthMessage, Handled, Identity, Peer, PeerConfig, Session, message_nonce,
};
use crate::ids::IdentityKey;
use crate::outbound::http::read;

use super::MAX_ANSWER;
use super::error::ClientError;
use super::error::refusal::{self, MAX_REFUSAL, NO_DESCRIPTION, refused, request_id_of};
use super::transport::Connector;

const JSON: &str = "application/json";
/// Largest response to a handshake in bytes.
const MAX_HANDSHAKE: usize = 1024 * 1024;
/// A response. A success is signed by the server; a failure may be unsigned.
#[derive(Debug, Clone)]
pub struct SignedReply {
    /// The HTTP status, whatever it is.
    pub status: u16,
    /// The body as received.
    pub body: Bytes,
    /// The id of the request in the server's logs (`x-request-id`). It is not signed.
    pub request_id: Option<String>,
}

impl SignedReply {
    /// Returns the response if its status is a success.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for any other status.
    pub fn success(self) -> Result<Self, ClientError> {
        refusal::check(self.status, self.request_id.as_deref(), &self.body)?;
        Ok(self)
    }
}

/// A client with a session, which it renews when the server forgot it. Requests may run concurrently.
#[derive(Debug)]
pub struct Brc104Client {
    connector: Connector,
    identity: Arc<Identity>,
    session: Mutex<Option<Arc<Session>>>,
}

impl Brc104Client {
    /// A client that connects with its first request.
    #[must_use]
    pub const fn new(connector: Connector, identity: Arc<Identity>) -> Self {
        Self {
            connector,
            identity,
            session: Mutex::new(None),
        }
    }

    /// The identity that signs the requests.
    #[must_use]
    pub fn identity_key(&self) -> IdentityKey {
        self.identity.identity_key()
    }

    /// Completes a handshake, unless there is a session.
    ///
    /// # Errors
    /// [`ClientError`] if the handshake fails.
    pub async fn connect(&self) -> Result<(), ClientError> {
        self.session().await.map(drop)
    }

    /// The identity key of the server. Completes a handshake, unless there is a session.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn server_key(&self) -> Result<IdentityKey, ClientError> {
        Ok(self.session().await?.peer())
    }

    /// Posts JSON to a MessageBox route. If the server forgot the session, it starts a new one and retries once.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for a status that is a failure. A success that the server did not sign is
    /// [`ClientError::Unsigned`].
    pub async fn post(&self, route: &str, body: Bytes) -> Result<SignedReply, ClientError> {
        self.request("POST", route, body).await?.success()
    }

    /// Gets a MessageBox route with these query parameters. Retries like [`Self::post`].
    ///
    /// # Errors
    /// As [`Self::post`].
    pub async fn get(
        &self,
        route: &str,
        query: &[(&str, &str)],
    ) -> Result<SignedReply, ClientError> {
        let url = self.url(route, query)?;
        self.ask(Method::GET, url, Bytes::new()).await?.success()
    }

    /// Sends any request to a route, which may have a query. Retries like [`Self::post`], and returns every status.
    ///
    /// ```no_run
    /// # use messagebox::client::{Brc104Client, ClientError};
    /// # async fn example(client: Brc104Client) -> Result<(), ClientError> {
    /// let reply = client.request("GET", "/devices?limit=1", Default::default()).await?;
    /// println!("{}: {} bytes", reply.status, reply.body.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Unsigned`] for a success that the server did not sign, or another [`ClientError`].
    pub async fn request(
        &self,
        method: &str,
        route: &str,
        body: Bytes,
    ) -> Result<SignedReply, ClientError> {
        self.ask(method_of(method)?, self.url(route, &[])?, body)
            .await
    }

    fn url(&self, route: &str, query: &[(&str, &str)]) -> Result<Url, ClientError> {
        let address = &self.connector.address;
        let url = address.url(&address.target(route));
        let url = if query.is_empty() {
            Url::parse(&url)
        } else {
            Url::parse_with_params(&url, query)
        };
        url.map_err(|_| ClientError::Unexpected("an invalid route"))
    }

    async fn ask(&self, method: Method, url: Url, body: Bytes) -> Result<SignedReply, ClientError> {
        let session = self.session().await?;
        let reply = self.ask_in(&session, &method, &url, body.clone()).await?;
        if reply.status != 401 {
            return Ok(reply);
        }
        self.forget(&session);
        let session = self.session().await?;
        self.ask_in(&session, &method, &url, body).await
    }

    async fn session(&self) -> Result<Arc<Session>, ClientError> {
        let known = self.session.lock().clone();
        if let Some(session) = known {
            return Ok(session);
        }
        let session = Arc::new(self.shake_hands().await?);
        *self.session.lock() = Some(Arc::clone(&session));
        Ok(session)
    }

    /// Drops a session, unless another request already replaced it.
    fn forget(&self, session: &Arc<Session>) {
        let mut known = self.session.lock();
        if known
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, session))
        {
            *known = None;
        }
    }

    async fn shake_hands(&self) -> Result<Session, ClientError> {
        let mut peer = Peer::new(Arc::clone(&self.identity), PeerConfig::default());
        let url = self.connector.address.url("/.well-known/auth");
        let request = self.connector.http.post(url).header("content-type", JSON);
        let answer = request.body(peer.start_handshake()?).send().await?;
        if answer.status() != StatusCode::OK {
            return Err(refused(answer, NO_DESCRIPTION).await);
        }
        let body = read(answer, MAX_HANDSHAKE).await?;
        let text = std::str::from_utf8(&body)
            .map_err(|_| ClientError::Unexpected("a handshake that is not UTF-8"))?;
        match peer.handle(&AuthMessage::parse(text)?)? {
            Handled::Established(_) => {}
            _ => return Err(ClientError::Unexpected("no response to the handshake")),
        }
        let session = peer.into_authenticated_sessions().pop();
        session.ok_or(ClientError::Unexpected("a handshake without a session"))
    }

    async fn ask_in(
        &self,
        session: &Session,
        method: &Method,
        url: &Url,
        body: Bytes,
    ) -> Result<SignedReply, ClientError> {
        let request_id: [u8; 32] = rand::random();
        let typed = [(String::from("content-type"), String::from(JSON))];
        let headers: &[_] = if body.is_empty() { &[] } else { &typed };
        let digest = SignedRequest {
            request_id: &request_id,
            method: method.as_str(),
            path: url.path(),
            query: url.query().unwrap_or_default(),
            headers,
            body: &body,
        }
        .digest();
        let nonce = message_nonce();
        let signature = session.sign(&nonce, &digest)?;
        let mut request = self.connector.http.request(method.clone(), url.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request
            .header("x-bsv-auth-version", AUTH_VERSION)
            .header("x-bsv-auth-identity-key", self.identity_key().to_hex())
            .header("x-bsv-auth-nonce", nonce)
            .header("x-bsv-auth-your-nonce", session.peer_nonce())
            .header("x-bsv-auth-signature", hex::encode(&*signature))
            .header("x-bsv-auth-request-id", STANDARD.encode(request_id))
            .body(body)
            .send()
            .await?;
        let headers = answer.headers().clone();
        let mut reply = SignedReply {
            status: answer.status().as_u16(),
            body: Bytes::new(),
            request_id: request_id_of(&headers),
        };
        // Failures of authentication cannot be signed, and other failures need not be.
        if !answer.status().is_success() {
            // The status matters even if the body cannot be read.
            reply.body = read(answer, MAX_REFUSAL).await.unwrap_or_default().into();
            return Ok(reply);
        }
        reply.body = read(answer, MAX_ANSWER).await?.into();
        verify(session, &request_id, reply.status, &headers, &reply.body)?;
        Ok(reply)
    }
}

/// Parses the name of an HTTP method.
pub(super) fn method_of(name: &str) -> Result<Method, ClientError> {
    Method::from_bytes(name.as_bytes())
        .map_err(|_| ClientError::Unexpected("an invalid HTTP method"))
}

/// Checks the server's signature of this response to this request.
fn verify(
    session: &Session,
    request_id: &[u8; 32],
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), ClientError> {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.ok_or(ClientError::Unsigned)
    };
    let signature =
        hex::decode(header("x-bsv-auth-signature")?).map_err(|_| ClientError::Unsigned)?;
    let answered = STANDARD
        .decode(header("x-bsv-auth-request-id")?)
        .map_err(|_| ClientError::Unsigned)?;
    if answered != request_id {
        return Err(ClientError::Unsigned);
    }
    session.check_identity(header("x-bsv-auth-identity-key")?)?;
    let names = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    let headers = signed_headers(names, Direction::Response).map_err(|_| ClientError::Unsigned)?;
    let digest = SignedResponse {
        request_id,
        status,
        headers: &headers,
        body,
    }
    .digest();
    session.verify(header("x-bsv-auth-nonce")?, &digest, &signature)?;
    Ok(())
}
