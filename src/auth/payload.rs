//! The payload of a general message, in every form that sending it takes.

use bytes::Bytes;
use bytestring::ByteString;
use sha2::{Digest as _, Sha256};

use super::message::numbers::write_numbers;

/// SHA-256.
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
    /// Encodes and hashes these bytes.
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

    /// The payload itself.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its SHA-256.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The JSON array of numbers that auth messages carry: about 3.6 characters for each byte.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The same, sharing its memory.
    #[must_use]
    pub fn shared_json(&self) -> ByteString {
        self.json.clone()
    }

    /// The same, in memory that `hold` keeps account of.
    #[must_use]
    pub fn held_by(self, hold: impl Fn(Bytes) -> Bytes) -> Self {
        let json = hold(self.json.clone().into_bytes());
        Self {
            digest: self.digest,
            // It is the same text.
            json: ByteString::try_from(json).unwrap_or(self.json),
            bytes: hold(self.bytes),
        }
    }

    /// A copy whose JSON shares no memory with this one's: frames share it, and a counter that several cores change is slow.
    #[must_use]
    pub fn copied(&self) -> Self {
        Self {
            bytes: self.bytes.clone(),
            digest: self.digest,
            json: ByteString::from(self.json.to_string()),
        }
    }
}
