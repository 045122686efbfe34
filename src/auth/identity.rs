//! A party's private key, and what it makes: its identity key, pair keys and session nonces.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secp256k1::{PublicKey, SecretKey};

use crate::ids::IdentityKey;

use super::error::{AuthError, KeyError};
use super::keys::{CURVE, Counterparty, KeyId, OwnMac, PairKeys, Protocol};

/// Random bytes at the head of a session nonce.
const NONCE_RANDOM_BYTES: usize = 16;

/// A private key and the identity key that belongs to it.
pub struct Identity {
    secret: SecretKey,
    key: IdentityKey,
    own_pair: PairKeys,
}

impl Identity {
    /// Of 64 hexadecimal characters.
    ///
    /// # Errors
    /// [`KeyError::Shape`] or [`KeyError::Range`].
    pub fn from_hex(hex: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(hex, &mut bytes).map_err(|_| KeyError::Shape)?;
        Self::from_bytes(bytes)
    }

    /// Of 32 big-endian bytes.
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
        })
    }

    /// A fresh one.
    #[must_use]
    pub fn random() -> Self {
        loop {
            // All but one in 2^128 draws are valid keys.
            if let Ok(identity) = Self::from_bytes(rand::random()) {
                return identity;
            }
        }
    }

    /// Everybody: private key 1, which is no secret.
    ///
    /// # Errors
    /// [`KeyError::Range`] never.
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

    /// The keys shared with a counterparty (BRC-42): one point multiplication, worth keeping.
    ///
    /// # Errors
    /// [`KeyError::Range`] never for a key that an [`IdentityKey`] can hold.
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

    /// A session nonce (BRC-103): 16 random bytes and their HMAC under a key of our own, in base64.
    ///
    /// # Errors
    /// [`KeyError::Derivation`], once in 2^127.
    pub fn session_nonce(&self, random: [u8; NONCE_RANDOM_BYTES]) -> Result<String, KeyError> {
        let mac = self.nonce_mac(&random)?;
        let mut bytes = [0; 48];
        let (head, tail) = bytes.split_at_mut(NONCE_RANDOM_BYTES);
        head.copy_from_slice(&random);
        tail.copy_from_slice(&mac);
        Ok(STANDARD.encode(bytes))
    }

    /// The HMAC under which nonces of sessions stand that can be resumed: the same in every process with this key.
    pub(super) fn resumption_mac(&self) -> Result<OwnMac, KeyError> {
        self.own_pair
            .mac(&Protocol::SESSION_RESUMPTION, KeyId::One("1"))
    }

    /// Checks that a session nonce was made by this identity.
    ///
    /// # Errors
    /// [`AuthError::Nonce`] when it was not.
    pub fn verify_session_nonce(&self, nonce: &str) -> Result<(), AuthError> {
        use subtle::ConstantTimeEq as _;
        let bytes = STANDARD.decode(nonce).map_err(|_| AuthError::Nonce)?;
        let (random, mac) = bytes
            .split_first_chunk::<NONCE_RANDOM_BYTES>()
            .ok_or(AuthError::Nonce)?;
        let expected = self.nonce_mac(random)?;
        if bool::from(mac.ct_eq(expected.as_slice())) {
            Ok(())
        } else {
            Err(AuthError::Nonce)
        }
    }

    fn nonce_mac(&self, random: &[u8; NONCE_RANDOM_BYTES]) -> Result<[u8; 32], KeyError> {
        // The key id is the random bytes as a text decoder reads them, which drops a byte order mark.
        let text = String::from_utf8_lossy(random);
        let key_id = text.strip_prefix('\u{feff}').unwrap_or(&text);
        self.own_pair
            .hmac(&Protocol::SERVER_HMAC, KeyId::One(key_id), random)
    }
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
