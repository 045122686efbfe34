//! Why a key, an auth message or a request is refused.

use thiserror::Error;

/// A key or a derivation is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not 64 hexadecimal characters.
    #[error("a private key is 64 hexadecimal characters")]
    Shape,
    /// Zero, or not below the order of the curve.
    #[error("not a valid secp256k1 private key")]
    Range,
    /// A protocol name breaks the rules of BRC-43.
    #[error("not a valid protocol name")]
    Protocol,
    /// The derived key is not on the curve; it happens once in 2^127 invoices.
    #[error("no key can be derived for this invoice")]
    Derivation,
}

/// Why an auth message (BRC-103) or an authenticated request (BRC-104) is refused. Always the other end's
/// doing. The texts are those of the implementations in use where they have one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthError {
    /// Not an auth message at all.
    #[error("Malformed auth message: {0}")]
    Malformed(&'static str),
    /// Another protocol version.
    #[error("Invalid or unsupported message auth version! Received: {received}, expected: 0.1")]
    Version {
        /// What came, shortened.
        received: String,
    },
    /// A field that this message type needs is missing.
    #[error("Missing required fields in {0} message.")]
    MissingField(&'static str),
    /// `identityKey` is no point on the curve.
    #[error("Unknown point format")]
    IdentityKey,
    /// A nonce is not base64, or of an unreasonable length.
    #[error("Invalid nonce")]
    Nonce,
    /// No session of ours has the nonce that the message names.
    #[error("Session not found for nonce: {nonce}")]
    UnknownSession {
        /// What it named.
        nonce: String,
    },
    /// The message's `identityKey` is not the session's.
    #[error("The identity key is not the session's")]
    IdentityMismatch,
    /// The message claims to come from ourselves.
    #[error("The identity key is our own")]
    Reflected,
    /// The nonce was used before in this session.
    #[error("The nonce has been used before in this session")]
    Replayed,
    /// The signature does not verify.
    #[error("Signature is not valid")]
    Signature,
    /// It was encrypted under another key, or changed since.
    #[error("It cannot be decrypted with this key")]
    Undecryptable,
    /// There is no session to sign on.
    #[error("There is no established session")]
    NotEstablished,
    /// A key could not be derived.
    #[error(transparent)]
    Key(#[from] KeyError),
}
