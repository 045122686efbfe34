//! The BRC-103 state of one socket: responder and initiator, sessions, proof of identity.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;

use crate::ids::IdentityKey;

use super::certificates::{CertificateDemand, CertificateError, RevealedFields};
use super::error::AuthError;
use super::identity::Identity;
use super::message::{AuthMessage, MessageType, MessageWriter};
use super::payload::{SharedPayload, sha256};
use super::session::Session;
use super::session::nonce::{MAX_NONCE_CHARS, message_nonce};

/// Bounds of a peer.
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// Sessions on one socket. The clients in use have one, or two after a revival.
    pub max_sessions: usize,
    /// Message nonces that each session remembers. At this limit the session accepts no more messages.
    pub max_seen_nonces: usize,
    /// Received messages after which [`Peer::needs_renewal`] asks for a new session.
    pub renew_after_received: usize,
    /// Signed messages after which it asks for one. The published clients remember 100,000 nonces a session.
    pub renew_after_signed: u64,
    /// JSON of the certificates that the other end is asked for.
    pub requested_certificates: Option<String>,
}

impl Default for PeerConfig {
    fn default() -> Self {
        Self {
            max_sessions: 4,
            max_seen_nonces: 100_000,
            renew_after_received: 3_000,
            renew_after_signed: 80_000,
            requested_certificates: None,
        }
    }
}

/// A payload, and the identity that signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Who signed.
    pub identity: IdentityKey,
    /// What was signed.
    pub payload: Bytes,
}

/// What an auth message led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handled {
    /// Send this auth message.
    Reply(String),
    /// Our handshake was answered: the counterparty is proven.
    Established(IdentityKey),
    /// A general message verified.
    General(Verified),
    /// The counterparty asks for certificates: the JSON as it came.
    CertificatesRequested(String),
    /// The counterparty brings certificates: the JSON as it came, its signature verified.
    Certificates(String),
}

#[derive(Debug)]
struct Entry {
    session: Session,
    /// Whether the counterparty has proven its key in it.
    proven: bool,
    /// Whether we may sign on it: not on one that was taken over from a lost socket.
    signs: bool,
    used: u64,
    /// Messages received in it.
    received: usize,
    /// Messages signed in it.
    signed: AtomicU64,
    /// Deadline of a session that a newer one has replaced.
    retires: Option<Instant>,
}

/// One socket's side of BRC-103.
#[derive(Debug)]
pub struct Peer {
    identity: Arc<Identity>,
    own_key: String,
    config: PeerConfig,
    entries: Vec<Entry>,
    /// The session nonce of a handshake that we began.
    initiated: Option<String>,
    proven: Option<IdentityKey>,
    /// What its certificates reveal, once valid ones came.
    revealed: Option<Arc<RevealedFields>>,
    uses: u64,
}

impl Peer {
    /// A peer without sessions.
    #[must_use]
    pub fn new(identity: Arc<Identity>, config: PeerConfig) -> Self {
        Self {
            own_key: identity.identity_key().to_hex(),
            identity,
            config,
            entries: Vec::new(),
            initiated: None,
            proven: None,
            revealed: None,
            uses: 0,
        }
    }

    /// The counterparty, once it has proven its key. It never changes afterwards.
    #[must_use]
    pub const fn identity(&self) -> Option<IdentityKey> {
        self.proven
    }

    /// What the counterparty's certificates reveal, once it is certified. It never changes afterwards.
    #[must_use]
    pub const fn revealed(&self) -> Option<&Arc<RevealedFields>> {
        self.revealed.as_ref()
    }

    /// Checks certificates of the counterparty, which has proven its key: it is certified from then on.
    ///
    /// # Errors
    /// [`CertificateError`]: then nothing has changed.
    pub fn certify(
        &mut self,
        demand: &CertificateDemand,
        json: &str,
    ) -> Result<(), CertificateError> {
        let proven = self.entries.iter().filter(|entry| entry.proven);
        let entry = proven.max_by_key(|entry| entry.used);
        let session = &entry.ok_or(CertificateError::Subject)?.session;
        let revealed = session.certify(demand, json)?;
        self.revealed.get_or_insert_with(|| Arc::clone(revealed));
        Ok(())
    }

    /// Takes an auth message.
    ///
    /// # Errors
    /// [`AuthError`]: then nothing has changed. [`AuthError::UnknownSession`] may be worth a new handshake.
    pub fn handle(&mut self, message: &AuthMessage<'_>) -> Result<Handled, AuthError> {
        match message.kind {
            MessageType::InitialRequest => self.handle_initial_request(message),
            MessageType::InitialResponse => self.handle_initial_response(message),
            MessageType::General => {
                let payload = message.need_bytes(message.payload.as_ref())?;
                let identity = self.verify(message, payload)?;
                let payload = Bytes::copy_from_slice(payload);
                Ok(Handled::General(Verified { identity, payload }))
            }
            MessageType::CertificateRequest => {
                let json = raw(message, message.requested_certificates)?;
                self.verify(message, json.as_bytes())?;
                Ok(Handled::CertificatesRequested(json.to_owned()))
            }
            MessageType::CertificateResponse => {
                let json = raw(message, message.certificates)?;
                self.verify(message, json.as_bytes())?;
                Ok(Handled::Certificates(json.to_owned()))
            }
        }
    }

    /// Begins a handshake: the `initialRequest` to send. A handshake begun before is forgotten.
    ///
    /// # Errors
    /// [`AuthError::Key`], once in 2^127.
    pub fn start_handshake(&mut self) -> Result<String, AuthError> {
        let nonce = self.identity.new_session_nonce()?;
        let mut json = String::with_capacity(512);
        MessageWriter::begin(&mut json, MessageType::InitialRequest, &self.own_key)
            .text("initialNonce", &nonce)
            .requested_certificates(self.config.requested_certificates.as_deref())
            .end();
        self.initiated = Some(nonce);
        Ok(json)
    }

    /// Appends a signed general message with this payload, on the session that was used last.
    ///
    /// # Errors
    /// [`AuthError::NotEstablished`] when no session is proven; nothing is appended then.
    pub fn sign(&self, payload: &SharedPayload, out: &mut String) -> Result<(), AuthError> {
        out.reserve(payload.json().len() + 640);
        self.sign_with(payload, payload.json(), out).map(drop)
    }

    /// As [`Self::sign`], but for the payload's JSON, which several messages may share: says at which byte of `out` it
    /// must be put in.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub fn sign_shared(
        &self,
        payload: &SharedPayload,
        out: &mut String,
    ) -> Result<usize, AuthError> {
        self.sign_with(payload, "", out)
    }

    /// Where `json` begins.
    fn sign_with(
        &self,
        payload: &SharedPayload,
        json: &str,
        out: &mut String,
    ) -> Result<usize, AuthError> {
        let entry = self
            .entries
            .iter()
            .filter(|entry| entry.proven && entry.signs)
            .max_by_key(|entry| entry.used)
            .ok_or(AuthError::NotEstablished)?;
        let nonce = message_nonce();
        let signature = entry.session.sign(&nonce, payload.digest())?;
        entry.signed.fetch_add(1, Ordering::Relaxed);
        let (writer, at) = MessageWriter::begin(out, MessageType::General, &self.own_key)
            .text("nonce", &nonce)
            .text("yourNonce", entry.session.peer_nonce())
            .raw("payload", "")
            .place();
        writer.json(json).signature(&signature);
        Ok(at)
    }

    /// Takes a session over that was proven on a socket since lost, so that what was sent on it meanwhile
    /// can be verified. Only for the counterparty that this socket has proven; nothing is signed on it.
    ///
    /// # Errors
    /// [`AuthError::IdentityMismatch`].
    pub fn adopt(&mut self, session: Session) -> Result<(), AuthError> {
        if self.proven != Some(session.peer()) {
            return Err(AuthError::IdentityMismatch);
        }
        self.insert(session, true, false);
        Ok(())
    }

    /// The sessions in which the counterparty has proven its key, for whoever keeps them after the socket.
    #[must_use]
    pub fn into_proven_sessions(self) -> Vec<Session> {
        let kept = |entry: &Entry| entry.proven && entry.retires.is_none();
        let proven = self.entries.into_iter().filter(kept);
        proven.map(|entry| entry.session).collect()
    }

    fn handle_initial_request(&mut self, message: &AuthMessage<'_>) -> Result<Handled, AuthError> {
        let certificates = self.config.requested_certificates.as_deref();
        let max_seen = self.config.max_seen_nonces;
        let (session, response) =
            Session::respond(&self.identity, message, certificates, max_seen)?;
        self.check_unchanged(session.peer())?;
        self.insert(session, false, true);
        Ok(Handled::Reply(response.json))
    }

    fn handle_initial_response(&mut self, message: &AuthMessage<'_>) -> Result<Handled, AuthError> {
        let named = message.need(message.your_nonce.as_ref())?;
        let own_nonce = match &self.initiated {
            Some(nonce) if nonce == named => nonce,
            _ => return Err(unknown_session(named)),
        };
        let max_seen = self.config.max_seen_nonces;
        let session = Session::established(&self.identity, own_nonce, message, max_seen)?;
        let peer = session.peer();
        self.check_unchanged(peer)?;
        self.initiated = None;
        self.proven = Some(peer);
        self.insert(session, true, true);
        Ok(Handled::Established(peer))
    }

    /// Verifies a signed message of the session that it names; the counterparty is proven by it.
    fn verify(
        &mut self,
        message: &AuthMessage<'_>,
        signed: &[u8],
    ) -> Result<IdentityKey, AuthError> {
        let nonce = message.need(message.nonce.as_ref())?;
        let named = message.need(message.your_nonce.as_ref())?;
        let signature = message.need_bytes(message.signature.as_ref())?;
        let entry = self
            .entries
            .iter_mut()
            .find(|entry| entry.session.own_nonce() == named)
            .ok_or_else(|| unknown_session(named))?;
        entry.session.check_identity(&message.identity_key)?;
        let peer = entry.session.peer();
        if self.proven.is_some_and(|proven| proven != peer) {
            return Err(AuthError::IdentityMismatch);
        }
        entry.session.verify(nonce, &sha256(signed), signature)?;
        self.uses += 1;
        entry.used = self.uses;
        entry.received += 1;
        entry.proven = true;
        self.proven = Some(peer);
        Ok(peer)
    }

    /// A socket that has proven one identity takes no session of another.
    fn check_unchanged(&self, peer: IdentityKey) -> Result<(), AuthError> {
        match self.proven {
            Some(proven) if proven != peer => Err(AuthError::IdentityMismatch),
            _ => Ok(()),
        }
    }

    /// Adds a session; of too many, the one goes that is unproven and oldest, or else that was used longest ago.
    fn insert(&mut self, session: Session, proven: bool, signs: bool) {
        if self.entries.len() >= self.config.max_sessions {
            let dispensable = |(_, entry): &(usize, &Entry)| (entry.proven, entry.used);
            let oldest = self.entries.iter().enumerate().min_by_key(dispensable);
            if let Some(index) = oldest.map(|(index, _)| index) {
                self.entries.remove(index);
            }
        }
        self.uses += 1;
        self.entries.push(Entry {
            session: session.forgetting_nothing(),
            proven,
            signs,
            used: self.uses,
            received: 0,
            signed: AtomicU64::new(0),
            retires: None,
        });
    }
}

fn unknown_session(nonce: &str) -> AuthError {
    AuthError::UnknownSession {
        nonce: nonce.chars().take(MAX_NONCE_CHARS).collect(),
    }
}

fn raw<'a>(
    message: &AuthMessage<'_>,
    field: Option<&'a serde_json::value::RawValue>,
) -> Result<&'a str, AuthError> {
    field
        .map(serde_json::value::RawValue::get)
        .ok_or(AuthError::MissingField(message.kind.name()))
}

mod renewal;
#[cfg(test)]
mod tests;
