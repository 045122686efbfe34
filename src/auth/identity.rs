//! A party's private key, and what it creates: the identity key, pair keys and session nonces.

use std::fmt;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secp256k1::{PublicKey, SecretKey};
use subtle::ConstantTimeEq as _;

use crate::ids::IdentityKey;

use super::error::{AuthError, KeyError};
use super::keys::{CURVE, Counterparty, KeyId, OwnMac, PairKeys, Protocol};

/// Random bytes at the start of a nonce. Their HMAC follows.
const NONCE_RANDOM_BYTES: usize = 16;

/// Bytes of a nonce.
const NONCE_BYTES: usize = NONCE_RANDOM_BYTES + 32;

/// Characters of a nonce in base64, which needs no padding.
const NONCE_CHARS: usize = NONCE_BYTES / 3 * 4;

/// A private key and its identity key. The server has one, and so has each client.
pub struct Identity {
    secret: SecretKey,
    key: IdentityKey,
    own_pair: PairKeys,
    /// Created with the first session nonce.
    session_mac: OnceLock<OwnMac>,
}

impl Identity {
    /// Parses 64 hexadecimal characters.
    ///
    /// # Errors
    /// [`KeyError::Shape`] or [`KeyError::Range`].
    pub fn from_hex(hex: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(hex, &mut bytes).map_err(|_| KeyError::Shape)?;
        Self::from_bytes(bytes)
    }

    /// Takes 32 big-endian bytes.
    ///
    /// # Errors
    /// [`KeyError::Range`].
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        let secret = SecretKey::from_byte_array(bytes).map_err(|_| KeyError::Range)?;
        let public = PublicKey::from_secret_key(&CURVE, &secret);
        Ok(Self {
            secret,
            key: IdentityKey::from(public),
            own_pair: PairKeys::own(&secret, &public),
            session_mac: OnceLock::new(),
        })
    }

    /// Creates a random identity.
    #[must_use]
    pub fn random() -> Self {
        loop {
            // All but one in 2^128 draws are valid keys.
            if let Ok(identity) = Self::from_bytes(rand::random()) {
                return identity;
            }
        }
    }

    /// The identity that anyone may use: private key 1, which is no secret.
    ///
    /// # Errors
    /// Never fails.
    pub fn anyone() -> Result<Self, KeyError> {
        let mut one = [0; 32];
        one[31] = 1;
        Self::from_bytes(one)
    }

    /// The public key that names this party.
    #[must_use]
    pub const fn identity_key(&self) -> IdentityKey {
        self.key
    }

    /// The keys shared with a counterparty (BRC-42). Cache them: they cost one point multiplication.
    ///
    /// # Errors
    /// [`KeyError::Range`], never for a key that an [`IdentityKey`] can hold.
    pub fn pair(&self, counterparty: Counterparty) -> Result<PairKeys, KeyError> {
        Ok(match counterparty {
            Counterparty::Own => self.own_pair.clone(),
            Counterparty::Anyone => {
                let mut one = [0; 32];
                one[31] = 1;
                let anyone = SecretKey::from_byte_array(one).map_err(|_| KeyError::Range)?;
                PairKeys::new(&self.secret, &PublicKey::from_secret_key(&CURVE, &anyone))
            }
            Counterparty::Other(key) => {
                let public = PublicKey::from_slice(key.as_bytes()).map_err(|_| KeyError::Range)?;
                PairKeys::new(&self.secret, &public)
            }
        })
    }

    /// Creates a session nonce (BRC-103 §6.1): 16 random bytes and their HMAC, in 64 characters of base64.
    ///
    /// The HMAC key is the same in every process with this private key. So each process recognizes the nonces of all.
    ///
    /// # Errors
    /// [`KeyError::Derivation`], for one private key in 2^127.
    pub fn new_session_nonce(&self) -> Result<String, KeyError> {
        let random: [u8; NONCE_RANDOM_BYTES] = rand::random();
        Ok(encode(&random, &self.session_mac()?.of(&random)))
    }

    /// Whether [`Self::new_session_nonce`] created this nonce, in any process. Costs at most one HMAC.
    #[must_use]
    pub fn is_own_session_nonce(&self, nonce: &str) -> bool {
        let Ok(mac) = self.session_mac() else {
            return false;
        };
        decode(nonce).is_some_and(|(random, found)| found.ct_eq(&mac.of(&random)).into())
    }

    fn session_mac(&self) -> Result<&OwnMac, KeyError> {
        if let Some(mac) = self.session_mac.get() {
            return Ok(mac);
        }
        let mac = self
            .own_pair
            .mac(&Protocol::SESSION_NONCES, KeyId::One("1"))?;
        Ok(self.session_mac.get_or_init(|| mac))
    }

    /// Creates a nonce as every implementation of BRC-103 does: the random bytes also determine the HMAC key.
    ///
    /// # Errors
    /// [`KeyError::Derivation`], once in 2^127.
    pub fn create_nonce(&self, random: [u8; NONCE_RANDOM_BYTES]) -> Result<String, KeyError> {
        Ok(encode(&random, &self.nonce_mac(&random)?))
    }

    /// Checks that [`Self::create_nonce`] of this identity created the nonce.
    ///
    /// # Errors
    /// [`AuthError::Nonce`] if it did not.
    pub fn verify_nonce(&self, nonce: &str) -> Result<(), AuthError> {
        let (random, mac) = decode(nonce).ok_or(AuthError::Nonce)?;
        let expected = self.nonce_mac(&random)?;
        if bool::from(mac.ct_eq(&expected)) {
            Ok(())
        } else {
            Err(AuthError::Nonce)
        }
    }

    fn nonce_mac(&self, random: &[u8; NONCE_RANDOM_BYTES]) -> Result<[u8; 32], KeyError> {
        // The SDKs decode the random bytes as text, which drops a byte order mark.
        let text = String::from_utf8_lossy(random);
        let key_id = text.strip_prefix('\u{feff}').unwrap_or(&text);
        self.own_pair
            .hmac(&Protocol::SERVER_HMAC, KeyId::One(key_id), random)
    }
}

fn encode(random: &[u8; NONCE_RANDOM_BYTES], mac: &[u8; 32]) -> String {
    let mut bytes = [0; NONCE_BYTES];
    let (head, tail) = bytes.split_at_mut(NONCE_RANDOM_BYTES);
    head.copy_from_slice(random);
    tail.copy_from_slice(mac);
    STANDARD.encode(bytes)
}

/// The random bytes and the HMAC of a nonce, or `None` if the length is wrong.
fn decode(nonce: &str) -> Option<([u8; NONCE_RANDOM_BYTES], [u8; 32])> {
    if nonce.len() != NONCE_CHARS {
        return None;
    }
    let bytes = STANDARD.decode(nonce).ok()?;
    let (random, mac) = bytes.split_first_chunk()?;
    Some((*random, mac.try_into().ok()?))
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.secret.non_secure_erase();
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:?})", self.key)
    }
}
