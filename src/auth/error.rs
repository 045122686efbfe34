//! Why a key, an auth message or a request is refused.

use thiserror::Error;

/// A key is invalid, or cannot be derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The text is not 64 hexadecimal characters.
    #[error("a private key is 64 hexadecimal characters")]
    Shape,
    /// The number is zero, or not below the order of the curve.
    #[error("not a valid secp256k1 private key")]
    Range,
    /// The protocol name violates BRC-43.
    #[error("not a valid protocol name")]
    Protocol,
    /// The derived key is not on the curve, which happens once in 2^127 invoices.
    #[error("no key can be derived for this invoice")]
    Derivation,
}

/// Why an auth message (BRC-103) or an authenticated request (BRC-104) is refused. The fault is always the
/// counterparty's. The texts are those of the implementations in use where they have one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthError {
    /// The text is not an auth message.
    #[error("Malformed auth message: {0}")]
    Malformed(&'static str),
    /// The message has another protocol version.
    #[error("Invalid or unsupported message auth version! Received: {received}, expected: 0.1")]
    Version {
        /// The version in the message, shortened.
        received: String,
    },
    /// The message lacks a field that its type needs.
    #[error("Missing required fields in {0} message.")]
    MissingField(&'static str),
    /// `identityKey` is not a point on the curve.
    #[error("Unknown point format")]
    IdentityKey,
    /// A nonce is not base64, or too short or long.
    #[error("Invalid nonce")]
    Nonce,
    /// This side has no session with the nonce in the message.
    #[error("Session not found for nonce: {nonce}")]
    UnknownSession {
        /// The nonce in the message.
        nonce: String,
    },
    /// The message's `identityKey` is not the session's.
    #[error("The identity key is not the session's")]
    IdentityMismatch,
    /// The message claims to come from this side.
    #[error("The identity key is our own")]
    Reflected,
    /// The message's nonce was already used in this session.
    #[error("The nonce has been used before in this session")]
    Replayed,
    /// The signature does not verify.
    #[error("Signature is not valid")]
    Signature,
    /// The data was encrypted under another key, or modified.
    #[error("It cannot be decrypted with this key")]
    Undecryptable,
    /// There is no authenticated session to sign in.
    #[error("There is no established session")]
    NotEstablished,
    /// A key could not be derived.
    #[error(transparent)]
    Key(#[from] KeyError),
}
