//! The payload of a general message, encoded and hashed once for all receivers.

use bytes::Bytes;
use bytestring::ByteString;
use sha2::{Digest as _, Sha256};

use super::message::numbers::write_numbers;

/// The SHA-256 of `data`, which BRC-103 signatures cover.
#[must_use]
pub fn sha256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

/// A payload that is encoded and hashed once, however many receivers it has.
#[derive(Debug, Clone)]
pub struct SharedPayload {
    bytes: Bytes,
    digest: [u8; 32],
    json: ByteString,
}

impl SharedPayload {
    /// Encodes and hashes a payload.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let mut json = String::new();
        write_numbers(&bytes, &mut json);
        Self {
            digest: sha256(&bytes),
            json: json.into(),
            bytes,
        }
    }

    /// The bytes of the payload.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The SHA-256 of the payload.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The JSON array of numbers in auth messages, about 3.6 characters for each byte.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The same JSON, sharing its memory.
    #[must_use]
    pub fn shared_json(&self) -> ByteString {
        self.json.clone()
    }

    /// Moves the payload into memory that `hold` accounts for.
    #[must_use]
    pub fn held_by(self, hold: impl Fn(Bytes) -> Bytes) -> Self {
        let json = hold(self.json.clone().into_bytes());
        Self {
            digest: self.digest,
            // The bytes are the same text.
            json: ByteString::try_from(json).unwrap_or(self.json),
            bytes: hold(self.bytes),
        }
    }

    /// Copies the JSON, so that two workers share no reference counter. Such a counter is slow when several cores
    /// change it.
    #[must_use]
    pub fn copied(&self) -> Self {
        Self {
            bytes: self.bytes.clone(),
            digest: self.digest,
            json: ByteString::from(self.json.to_string()),
        }
    }
}
