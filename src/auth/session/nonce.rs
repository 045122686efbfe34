//! The nonces of single messages, and the memory of used ones.

use std::collections::{HashSet, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::auth::error::AuthError;
use crate::auth::payload::sha256;

/// Longest nonce of the counterparty in bytes. Nonces in use have 32 or 48 bytes.
pub const MAX_NONCE_BYTES: usize = 128;

/// The same limit in characters of base64.
pub const MAX_NONCE_CHARS: usize = MAX_NONCE_BYTES.div_ceil(3) * 4;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Creates the nonce of a message: 32 random bytes in base64 (44 characters).
#[must_use]
pub fn message_nonce() -> String {
    STANDARD.encode(rand::random::<[u8; 32]>())
}

/// Decodes the counterparty's nonce, with or without padding.
pub(in crate::auth) fn decode_nonce(nonce: &str) -> Result<Vec<u8>, AuthError> {
    if nonce.len() > MAX_NONCE_BYTES * 2 {
        return Err(AuthError::Nonce);
    }
    match LENIENT.decode(nonce) {
        Ok(bytes) if (1..=MAX_NONCE_BYTES).contains(&bytes.len()) => Ok(bytes),
        _ => Err(AuthError::Nonce),
    }
}

/// Remembers the last `capacity` nonces of a session, by 16 bytes of their hash each.
#[derive(Debug)]
pub struct SeenNonces {
    set: HashSet<[u8; 16]>,
    order: VecDeque<[u8; 16]>,
    capacity: usize,
}

impl SeenNonces {
    /// An empty memory, which allocates as nonces arrive.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            set: HashSet::new(),
            order: VecDeque::new(),
            capacity,
        }
    }

    fn digest(nonce: &str) -> [u8; 16] {
        let mut short = [0; 16];
        short.copy_from_slice(&sha256(nonce.as_bytes())[..16]);
        short
    }

    /// Whether the nonce is remembered.
    #[must_use]
    pub fn contains(&self, nonce: &str) -> bool {
        self.set.contains(&Self::digest(nonce))
    }

    /// Remembers a nonce, and forgets the oldest at the limit. Returns `false` if it was already remembered.
    pub fn insert(&mut self, nonce: &str) -> bool {
        let digest = Self::digest(nonce);
        if !self.set.insert(digest) {
            return false;
        }
        if self.order.len() == self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
        self.order.push_back(digest);
        true
    }

    /// Whether the next nonce makes the memory forget one.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.order.len() >= self.capacity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_counts_once_until_it_is_forgotten() {
        let mut seen = SeenNonces::new(2);
        assert!(seen.insert("a"));
        assert!(!seen.insert("a"));
        assert!(seen.insert("b"));
        assert!(seen.is_full());
        assert!(seen.insert("c"));
        assert!(!seen.contains("a"));
        assert!(!seen.insert("b") && !seen.insert("c"));
    }

    #[test]
    fn nonces_of_any_usual_length_are_read() {
        for length in [16, 32, 33, 47, 48] {
            let bytes = vec![7; length];
            let padded = STANDARD.encode(&bytes);
            assert_eq!(decode_nonce(&padded).unwrap(), bytes);
            assert_eq!(decode_nonce(padded.trim_end_matches('=')).unwrap(), bytes);
        }
        for nonce in ["", "!!!!", &"A".repeat(1_000)] {
            assert_eq!(decode_nonce(nonce), Err(AuthError::Nonce), "{nonce}");
        }
    }

    #[test]
    fn message_nonces_are_44_characters_and_differ() {
        assert_eq!(message_nonce().len(), 44);
        assert_ne!(message_nonce(), message_nonce());
    }
}
