//! A session: the result of a handshake, used by BRC-103 sockets and BRC-104 requests.

pub(super) mod nonce;
pub(super) mod store;

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use serde_json::value::RawValue;

use crate::ids::IdentityKey;

use super::certificates::{CertificateDemand, CertificateError, RevealedFields};
use super::error::AuthError;
use super::identity::Identity;
use super::keys::{Counterparty, DerSignature, KeyId, PairKeys, Protocol};
use super::message::{AuthMessage, MessageType, MessageWriter};
use super::payload::sha256;
use nonce::{MAX_NONCE_BYTES, SeenNonces, decode_nonce, message_nonce};

/// A session with one counterparty. Threads share it by reference.
#[derive(Debug)]
pub struct Session {
    own_nonce: String,
    peer_nonce: String,
    peer: IdentityKey,
    peer_hex: String,
    keys: PairKeys,
    seen: Mutex<SeenNonces>,
    /// Whether the session ends when its nonce memory is full, instead of forgetting the oldest nonce.
    strict_replay: bool,
    /// Set when valid certificates arrive.
    revealed: OnceLock<Arc<RevealedFields>>,
    /// Why the latest certificates were refused.
    refusal: Mutex<Option<CertificateError>>,
}

/// The public data from which another process can restore a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// This side's nonce, which names the session.
    pub own_nonce: String,
    /// The counterparty's nonce as the counterparty wrote it.
    pub peer_nonce: String,
    /// The identity key of the counterparty.
    pub peer: IdentityKey,
}

/// The response to a handshake.
#[derive(Debug)]
pub struct InitialResponse {
    /// The auth message as JSON.
    pub json: String,
    /// The signature of the message, DER.
    pub signature: DerSignature,
}

impl Session {
    pub(super) fn new(
        own_nonce: String,
        peer_nonce: String,
        peer: IdentityKey,
        keys: PairKeys,
        max_seen_nonces: usize,
    ) -> Self {
        Self {
            own_nonce,
            peer_nonce,
            peer,
            peer_hex: peer.to_hex(),
            keys,
            seen: Mutex::new(SeenNonces::new(max_seen_nonces)),
            strict_replay: false,
            revealed: OnceLock::new(),
            refusal: Mutex::default(),
        }
    }

    /// Answers an `initialRequest` (BRC-103 §6.1). Returns a new session and the signed response.
    ///
    /// The handshake does not authenticate the sender. Its first verified message does.
    ///
    /// # Errors
    /// [`AuthError`] if a field is missing or malformed, or the key is this side's own.
    pub fn respond(
        identity: &Identity,
        request: &AuthMessage<'_>,
        requested_certificates: Option<&str>,
        max_seen_nonces: usize,
    ) -> Result<(Self, InitialResponse), AuthError> {
        if request.kind != MessageType::InitialRequest {
            return Err(AuthError::Malformed("not an initialRequest"));
        }
        let peer_nonce = request.need(request.initial_nonce.as_ref())?;
        let mut signed = decode_nonce(peer_nonce)?;
        let (peer, keys) = counterparty(identity, request)?;
        let own_nonce = identity.new_session_nonce()?;
        signed.extend(decode_nonce(&own_nonce)?);
        let key_id = KeyId::Pair(peer_nonce, &own_nonce);
        let signature = keys.sign(&Protocol::AUTH_SIGNATURE, key_id, &sha256(&signed))?;
        let mut json = String::with_capacity(1024);
        let own_key = identity.identity_key().to_hex();
        MessageWriter::begin(&mut json, MessageType::InitialResponse, &own_key)
            .text("initialNonce", &own_nonce)
            .text("yourNonce", peer_nonce)
            .requested_certificates(requested_certificates)
            .signature(&signature);
        let session = Self::new(
            own_nonce,
            peer_nonce.to_owned(),
            peer,
            keys,
            max_seen_nonces,
        );
        Ok((session, InitialResponse { json, signature }))
    }

    /// Completes a handshake that this side started with `own_nonce`. This authenticates the counterparty.
    pub(super) fn established(
        identity: &Identity,
        own_nonce: &str,
        response: &AuthMessage<'_>,
        max_seen_nonces: usize,
    ) -> Result<Self, AuthError> {
        let peer_nonce = response.need(response.initial_nonce.as_ref())?;
        let signature = response.need_bytes(response.signature.as_ref())?;
        let (peer, keys) = counterparty(identity, response)?;
        let mut signed = decode_nonce(own_nonce)?;
        signed.extend(decode_nonce(peer_nonce)?);
        let key_id = KeyId::Pair(own_nonce, peer_nonce);
        keys.verify(
            &Protocol::AUTH_SIGNATURE,
            key_id,
            &sha256(&signed),
            signature,
        )?;
        Ok(Self::new(
            own_nonce.to_owned(),
            peer_nonce.to_owned(),
            peer,
            keys,
            max_seen_nonces,
        ))
    }

    /// Restores a session, at the cost of one point multiplication. It remembers no message nonces, and its
    /// counterparty is not authenticated.
    ///
    /// # Errors
    /// [`AuthError::Key`], never for a key that an [`IdentityKey`] can hold.
    pub fn restore(
        identity: &Identity,
        record: SessionRecord,
        max_seen_nonces: usize,
    ) -> Result<Self, AuthError> {
        let keys = identity.pair(Counterparty::Other(record.peer))?;
        Ok(Self::new(
            record.own_nonce,
            record.peer_nonce,
            record.peer,
            keys,
            max_seen_nonces,
        ))
    }

    /// The data that [`Self::restore`] needs in another process.
    #[must_use]
    pub fn record(&self) -> SessionRecord {
        SessionRecord {
            own_nonce: self.own_nonce.clone(),
            peer_nonce: self.peer_nonce.clone(),
            peer: self.peer,
        }
    }

    /// Makes the session end when its nonce memory is full, instead of forgetting the oldest nonce.
    #[must_use]
    pub fn strict_replay(self) -> Self {
        Self {
            strict_replay: true,
            ..self
        }
    }

    /// This side's nonce, by which the counterparty names the session.
    #[must_use]
    pub fn own_nonce(&self) -> &str {
        &self.own_nonce
    }

    /// The counterparty's nonce, by which this side names the session.
    #[must_use]
    pub fn peer_nonce(&self) -> &str {
        &self.peer_nonce
    }

    /// The identity key of the counterparty.
    #[must_use]
    pub const fn peer(&self) -> IdentityKey {
        self.peer
    }

    /// Checks that a message claims to come from the counterparty of this session.
    ///
    /// # Errors
    /// [`AuthError::IdentityMismatch`].
    pub fn check_identity(&self, claimed: &str) -> Result<(), AuthError> {
        let same = claimed == self.peer_hex || claimed.parse() == Ok(self.peer);
        if same {
            Ok(())
        } else {
            Err(AuthError::IdentityMismatch)
        }
    }

    /// Verifies the counterparty's signature of `digest` and consumes the nonce of the message.
    ///
    /// # Errors
    /// [`AuthError::Replayed`], [`AuthError::Nonce`] or [`AuthError::Signature`]; [`AuthError::UnknownSession`] if a
    /// strict session's nonce memory is full. Nothing changes.
    pub fn verify(
        &self,
        nonce: &str,
        digest: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), AuthError> {
        if nonce.is_empty() || nonce.len() > 2 * MAX_NONCE_BYTES {
            return Err(AuthError::Nonce);
        }
        if self.seen.lock().contains(nonce) {
            return Err(AuthError::Replayed);
        }
        let key_id = KeyId::Pair(nonce, &self.own_nonce);
        self.keys
            .verify(&Protocol::AUTH_SIGNATURE, key_id, digest, signature)?;
        // Two threads may get here with the same nonce. Only one of them succeeds.
        self.consume(nonce)
    }

    /// Consumes the nonce of a message that was verified elsewhere.
    ///
    /// # Errors
    /// [`AuthError::Replayed`], or [`AuthError::UnknownSession`] if a strict session's nonce memory is full: its owner
    /// must remove the session.
    pub fn consume(&self, nonce: &str) -> Result<(), AuthError> {
        let mut seen = self.seen.lock();
        if self.strict_replay && seen.is_full() && !seen.contains(nonce) {
            return Err(AuthError::UnknownSession {
                nonce: self.own_nonce.clone(),
            });
        }
        if seen.insert(nonce) {
            Ok(())
        } else {
            Err(AuthError::Replayed)
        }
    }

    /// Verifies the signature of a `certificateResponse` and consumes its nonce. Returns the JSON of the certificates,
    /// which are not checked yet.
    ///
    /// # Errors
    /// [`AuthError`]; nothing changes.
    pub fn verify_certificate_response<'a>(
        &self,
        message: &AuthMessage<'a>,
    ) -> Result<&'a str, AuthError> {
        if message.kind != MessageType::CertificateResponse {
            return Err(AuthError::Malformed("not a certificateResponse"));
        }
        self.verify_json(message, message.certificates)
    }

    /// Verifies a `certificateRequest` of this session and consumes its nonce.
    ///
    /// # Errors
    /// [`AuthError`]; nothing changes.
    pub fn verify_certificate_request(&self, message: &AuthMessage<'_>) -> Result<(), AuthError> {
        if message.kind != MessageType::CertificateRequest {
            return Err(AuthError::Malformed("not a certificateRequest"));
        }
        self.verify_json(message, message.requested_certificates)
            .map(drop)
    }

    /// Verifies a message whose signature covers the JSON of one field. Returns that JSON.
    fn verify_json<'a>(
        &self,
        message: &AuthMessage<'_>,
        field: Option<&'a RawValue>,
    ) -> Result<&'a str, AuthError> {
        let nonce = message.need(message.nonce.as_ref())?;
        let signature = message.need_bytes(message.signature.as_ref())?;
        let json = message.need_json(field)?;
        self.check_identity(&message.identity_key)?;
        self.verify(nonce, &sha256(json.as_bytes()), signature)?;
        Ok(json)
    }

    /// A signed `certificateResponse` without certificates, because a server has none to present (BRC-103).
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub fn no_certificates(&self, own_key: &IdentityKey) -> Result<String, AuthError> {
        const NONE: &str = "[]";
        let nonce = message_nonce();
        let signature = self.sign(&nonce, &sha256(NONE.as_bytes()))?;
        let mut json = String::with_capacity(1024);
        let kind = MessageType::CertificateResponse;
        MessageWriter::begin(&mut json, kind, &own_key.to_hex())
            .text("nonce", &nonce)
            .text("initialNonce", &self.own_nonce)
            .text("yourNonce", &self.peer_nonce)
            .raw("certificates", NONE)
            .signature(&signature);
        Ok(json)
    }

    /// Checks the counterparty's certificates. The first valid ones certify the session.
    ///
    /// # Errors
    /// [`CertificateError`]; the client may present others later. An empty list is not recorded as a refusal, because
    /// some clients send one while they look for certificates.
    pub fn certify(
        &self,
        demand: &CertificateDemand,
        json: &str,
    ) -> Result<&Arc<RevealedFields>, CertificateError> {
        let revealed = demand.verify(&self.keys, json).inspect_err(|error| {
            if *error != CertificateError::NoneProvided {
                *self.refusal.lock() = Some(error.clone());
            }
        })?;
        Ok(self.revealed.get_or_init(|| Arc::new(revealed)))
    }

    /// Why the latest certificates were refused, while the session is not certified.
    #[must_use]
    pub fn certificate_refusal(&self) -> Option<CertificateError> {
        let refusal = self.refusal.lock().clone();
        refusal.filter(|_| self.revealed.get().is_none())
    }

    /// The fields revealed by the counterparty's certificates, if the session is certified.
    #[must_use]
    pub fn revealed(&self) -> Option<&Arc<RevealedFields>> {
        self.revealed.get()
    }

    /// Signs `digest` for the counterparty, under a fresh message nonce.
    ///
    /// # Errors
    /// [`AuthError::Key`], once in 2^127.
    pub fn sign(&self, nonce: &str, digest: &[u8; 32]) -> Result<DerSignature, AuthError> {
        let key_id = KeyId::Pair(nonce, &self.peer_nonce);
        Ok(self.keys.sign(&Protocol::AUTH_SIGNATURE, key_id, digest)?)
    }

    /// Whether the nonce memory is full, so that the next message would make the session forget a nonce.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.seen.lock().is_full()
    }
}

/// The sender of a handshake message, and the keys shared with it.
fn counterparty(
    identity: &Identity,
    message: &AuthMessage<'_>,
) -> Result<(IdentityKey, PairKeys), AuthError> {
    let key = message.identity_key.parse();
    let key: IdentityKey = key.map_err(|_| AuthError::IdentityKey)?;
    if key == identity.identity_key() {
        // A reflected request would let anyone authenticate as this side.
        return Err(AuthError::Reflected);
    }
    Ok((key, identity.pair(Counterparty::Other(key))?))
}
