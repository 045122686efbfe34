//! The BRC-103 state of one socket: both sides of the handshake, its sessions, and the authenticated identity.

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

/// The limits of a peer.
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// Maximum sessions of one socket. The clients in use have one, or two after a revival.
    pub max_sessions: usize,
    /// Message nonces that a session remembers. When this many messages arrived, the session accepts no more.
    pub max_seen_nonces: usize,
    /// Received messages after which [`Peer::needs_renewal`] asks for a new session.
    pub renew_after_received: usize,
    /// Signed messages after which it asks for a new session. The published clients remember 100,000 nonces a session.
    pub renew_after_signed: u64,
    /// The demanded certificates as JSON.
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

/// A verified payload and its signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The identity that signed the payload.
    pub identity: IdentityKey,
    /// The payload, as the application wrote it.
    pub payload: Bytes,
}

/// The result of handling an auth message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handled {
    /// The caller must send this auth message.
    Reply(String),
    /// The counterparty completed the handshake of this side and is authenticated.
    Established(IdentityKey),
    /// The counterparty sent a general message, which is verified.
    General(Verified),
    /// The counterparty demands certificates. The JSON as received.
    CertificatesRequested(String),
    /// The counterparty presents certificates. The JSON as received, its signature verified.
    Certificates(String),
}

#[derive(Debug)]
struct Entry {
    session: Session,
    /// Whether the counterparty has authenticated in this session.
    authenticated: bool,
    /// Whether this side may sign messages of this session: not if it was adopted from a lost socket.
    signs: bool,
    used: u64,
    /// Messages received in this session.
    received: usize,
    /// Messages signed in this session.
    signed: AtomicU64,
    /// When a replaced session ends.
    retires: Option<Instant>,
}

/// This side's BRC-103 state of one socket.
#[derive(Debug)]
pub struct Peer {
    identity: Arc<Identity>,
    own_key: String,
    config: PeerConfig,
    entries: Vec<Entry>,
    /// This side's session nonce of a pending handshake.
    initiated: Option<String>,
    authenticated: Option<IdentityKey>,
    /// The fields revealed by the counterparty's certificates.
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
            authenticated: None,
            revealed: None,
            uses: 0,
        }
    }

    /// The authenticated counterparty. Once set, it never changes.
    #[must_use]
    pub const fn identity(&self) -> Option<IdentityKey> {
        self.authenticated
    }

    /// The fields revealed by the counterparty's certificates. Once set, they never change.
    #[must_use]
    pub const fn revealed(&self) -> Option<&Arc<RevealedFields>> {
        self.revealed.as_ref()
    }

    /// Checks certificates of the authenticated counterparty. If they are valid, it is certified.
    ///
    /// # Errors
    /// [`CertificateError`]; nothing changes.
    pub fn certify(
        &mut self,
        demand: &CertificateDemand,
        json: &str,
    ) -> Result<(), CertificateError> {
        let authenticated = self.entries.iter().filter(|entry| entry.authenticated);
        let entry = authenticated.max_by_key(|entry| entry.used);
        let session = &entry.ok_or(CertificateError::Subject)?.session;
        let revealed = session.certify(demand, json)?;
        self.revealed.get_or_insert_with(|| Arc::clone(revealed));
        Ok(())
    }

    /// Handles an auth message.
    ///
    /// # Errors
    /// [`AuthError`]; nothing changes. After [`AuthError::UnknownSession`] a new handshake may help.
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
                let json = message.need_json(message.requested_certificates)?;
                self.verify(message, json.as_bytes())?;
                Ok(Handled::CertificatesRequested(json.to_owned()))
            }
            MessageType::CertificateResponse => {
                let json = message.need_json(message.certificates)?;
                self.verify(message, json.as_bytes())?;
                Ok(Handled::Certificates(json.to_owned()))
            }
        }
    }

    /// Starts a handshake. Returns the `initialRequest` to send. It replaces a pending handshake.
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

    /// Appends a signed general message with this payload, in the most recently used session.
    ///
    /// # Errors
    /// [`AuthError::NotEstablished`] if no session is authenticated; nothing is appended.
    pub fn sign(&self, payload: &SharedPayload, out: &mut String) -> Result<(), AuthError> {
        out.reserve(payload.json().len() + 640);
        self.sign_with(payload, payload.json(), out).map(drop)
    }

    /// As [`Self::sign`], without the JSON of the payload, which several messages may share. Returns the offset in
    /// `out` where that JSON belongs.
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

    /// Returns the offset of `json`.
    fn sign_with(
        &self,
        payload: &SharedPayload,
        json: &str,
        out: &mut String,
    ) -> Result<usize, AuthError> {
        let entry = self
            .entries
            .iter()
            .filter(|entry| entry.authenticated && entry.signs)
            .max_by_key(|entry| entry.used)
            .ok_or(AuthError::NotEstablished)?;
        let nonce = message_nonce();
        let signature = entry.session.sign(&nonce, payload.digest())?;
        entry.signed.fetch_add(1, Ordering::Relaxed);
        let (writer, at) = MessageWriter::begin(out, MessageType::General, &self.own_key)
            .text("nonce", &nonce)
            .text("yourNonce", entry.session.peer_nonce())
            .raw("payload", "")
            .position();
        writer.json(json).signature(&signature);
        Ok(at)
    }

    /// Adopts an authenticated session of a lost socket, so that late messages in it verify. Its counterparty must be
    /// this socket's. This side signs nothing in it.
    ///
    /// # Errors
    /// [`AuthError::IdentityMismatch`].
    pub fn adopt(&mut self, session: Session) -> Result<(), AuthError> {
        if self.authenticated != Some(session.peer()) {
            return Err(AuthError::IdentityMismatch);
        }
        self.insert(session, true, false);
        Ok(())
    }

    /// The authenticated sessions, to keep when the socket is gone.
    #[must_use]
    pub fn into_authenticated_sessions(self) -> Vec<Session> {
        let is_kept = |entry: &Entry| entry.authenticated && entry.retires.is_none();
        let authenticated = self.entries.into_iter().filter(is_kept);
        authenticated.map(|entry| entry.session).collect()
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
        self.authenticated = Some(peer);
        self.insert(session, true, true);
        Ok(Handled::Established(peer))
    }

    /// Verifies a signed message in the session that it names. This authenticates the counterparty.
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
        if self
            .authenticated
            .is_some_and(|authenticated| authenticated != peer)
        {
            return Err(AuthError::IdentityMismatch);
        }
        entry.session.verify(nonce, &sha256(signed), signature)?;
        self.uses += 1;
        entry.used = self.uses;
        entry.received += 1;
        entry.authenticated = true;
        self.authenticated = Some(peer);
        Ok(peer)
    }

    /// A socket with an authenticated identity accepts no session of another identity.
    fn check_unchanged(&self, peer: IdentityKey) -> Result<(), AuthError> {
        match self.authenticated {
            Some(authenticated) if authenticated != peer => Err(AuthError::IdentityMismatch),
            _ => Ok(()),
        }
    }

    /// Adds a session. At the limit it replaces the oldest unauthenticated one, or else the least recently used.
    fn insert(&mut self, session: Session, authenticated: bool, signs: bool) {
        if self.entries.len() >= self.config.max_sessions {
            let priority = |(_, entry): &(usize, &Entry)| (entry.authenticated, entry.used);
            let oldest = self.entries.iter().enumerate().min_by_key(priority);
            if let Some(index) = oldest.map(|(index, _)| index) {
                self.entries.remove(index);
            }
        }
        self.uses += 1;
        self.entries.push(Entry {
            session: session.strict_replay(),
            authenticated,
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

mod renewal;
#[cfg(test)]
mod tests;
