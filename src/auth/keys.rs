//! Keys that two parties share (BRC-42), under protocol names and key ids (BRC-43).

mod encryption;
mod signing;

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secp256k1::ecdsa::{SerializedSignature, Signature};
use secp256k1::{All, Message, PublicKey, Scalar, Secp256k1, SecretKey, ecdh};
use sha2::Sha256;
use zeroize::Zeroize as _;

use crate::ids::IdentityKey;

use super::error::{AuthError, KeyError};
use signing::sign_ecdsa;

/// A DER-encoded ECDSA signature with a low S, 70 to 72 bytes long.
pub type DerSignature = SerializedSignature;

/// libsecp256k1's context, blinded once. Later versions of the binding blind it again after every signature, which
/// doubles the cost of a signature.
pub(super) static CURVE: LazyLock<Secp256k1<All>> = LazyLock::new(|| {
    let mut curve = Secp256k1::new();
    curve.seeded_randomize(&rand::random());
    curve
});

/// The other party of a shared key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counterparty {
    /// This side itself: a key that nobody else has.
    Own,
    /// Anyone: the holder of private key 1.
    Anyone,
    /// The party with this identity key.
    Other(IdentityKey),
}

/// A security level and a protocol name, as an invoice starts with them: `2-auth message signature`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol(Cow<'static, str>);

impl Protocol {
    /// `[2, 'auth message signature']`: signatures of BRC-103 and BRC-104.
    pub const AUTH_SIGNATURE: Self = Self(Cow::Borrowed("2-auth message signature"));
    /// `[2, 'server hmac']`: nonces that every implementation of BRC-103 creates alike.
    pub const SERVER_HMAC: Self = Self(Cow::Borrowed("2-server hmac"));

    /// `[2, 'session nonces']`: session nonces of this server. No standard defines it.
    pub const SESSION_NONCES: Self = Self(Cow::Borrowed("2-session nonces"));

    /// `[2, 'certificate field encryption']`: keys of certificate fields (BRC-53).
    pub const CERTIFICATE_FIELD: Self = Self(Cow::Borrowed("2-certificate field encryption"));

    /// `[2, 'room events']`: events between the nodes of a cluster.
    pub const ROOM_EVENTS: Self = Self(Cow::Borrowed("2-room events"));

    /// `[1, 'messagebox']`: ids and bodies of messages.
    pub const MESSAGE_BOX: Self = Self(Cow::Borrowed("1-messagebox"));

    /// A protocol that has no constant here.
    ///
    /// # Errors
    /// [`KeyError::Protocol`] if the level or the name violates BRC-43.
    pub fn new(level: u8, name: &str) -> Result<Self, KeyError> {
        let name = name.trim().to_lowercase();
        let max = if name.starts_with("specific linkage revelation ") {
            430
        } else {
            400
        };
        let fits = level <= 2
            && (5..=max).contains(&name.len())
            && name
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b' '))
            && !name.contains("  ")
            && !name.ends_with(" protocol");
        if fits {
            Ok(Self(format!("{level}-{name}").into()))
        } else {
            Err(KeyError::Protocol)
        }
    }
}

/// A key id: one text, or two texts joined by a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyId<'a> {
    /// The key id is this text.
    One(&'a str),
    /// `"{0} {1}"`, without copying either.
    Pair(&'a str, &'a str),
}

/// The keys that this side shares with a counterparty. The ECDH secret is computed once.
///
/// A signature then costs one HMAC, one scalar addition and one ECDSA signature.
#[derive(Clone)]
pub struct PairKeys {
    secret: SecretKey,
    counterparty: PublicKey,
    /// Whether the counterparty is this side itself.
    is_own: bool,
    /// HMAC-SHA256 keyed with the compressed shared point.
    invoice_mac: Hmac<Sha256>,
}

impl PairKeys {
    pub(super) fn new(secret: &SecretKey, counterparty: &PublicKey) -> Self {
        let point = ecdh::shared_secret_point(counterparty, secret);
        let (x, y) = point.split_at(32);
        let mut compressed = [0; 33];
        compressed[0] = 2 + (y.last().copied().unwrap_or(0) & 1);
        compressed[1..].copy_from_slice(x);
        Self {
            secret: *secret,
            counterparty: *counterparty,
            is_own: false,
            invoice_mac: keyed_mac(&compressed),
        }
    }

    /// The keys that this side shares with itself. `public` belongs to `secret`.
    pub(super) fn own(secret: &SecretKey, public: &PublicKey) -> Self {
        let mut keys = Self::new(secret, public);
        keys.is_own = true;
        keys
    }

    /// The party that shares the keys.
    #[must_use]
    pub fn counterparty(&self) -> IdentityKey {
        IdentityKey::from(self.counterparty)
    }

    /// Signs a SHA-256 digest with this side's key for the protocol and key id (RFC 6979, low S).
    ///
    /// # Errors
    /// [`KeyError::Derivation`].
    pub fn sign(
        &self,
        protocol: &Protocol,
        key_id: KeyId<'_>,
        digest: &[u8; 32],
    ) -> Result<DerSignature, KeyError> {
        let mut child = self.private_key(protocol, key_id)?;
        let signature = sign_ecdsa(digest, &child);
        child.non_secure_erase();
        Ok(signature.serialize_der())
    }

    /// Verifies the counterparty's signature of a SHA-256 digest.
    ///
    /// # Errors
    /// [`AuthError::Signature`] if it is not DER or does not verify.
    pub fn verify(
        &self,
        protocol: &Protocol,
        key_id: KeyId<'_>,
        digest: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), AuthError> {
        let mut signature = Signature::from_der(signature).map_err(|_| AuthError::Signature)?;
        // libsecp256k1 accepts only a low S; the SDKs in use accept both.
        signature.normalize_s();
        let (digest, public) = match self.root_digest(protocol, key_id, digest, &signature)? {
            Some(digest) => (digest, self.counterparty),
            None => (*digest, self.counterparty_key(protocol, key_id)?),
        };
        CURVE
            .verify_ecdsa(Message::from_digest(digest), &signature, &public)
            .map_err(|_| AuthError::Signature)
    }

    /// HMAC-SHA256 of `data` under the symmetric key of this protocol and key id.
    ///
    /// # Errors
    /// [`KeyError::Derivation`].
    pub fn hmac(
        &self,
        protocol: &Protocol,
        key_id: KeyId<'_>,
        data: &[u8],
    ) -> Result<[u8; 32], KeyError> {
        let key = self.symmetric_key(protocol, key_id)?;
        // The implementations in use strip leading zeros from the key.
        let zeros = key.iter().take_while(|byte| **byte == 0).count();
        let mut mac = keyed_mac(key.get(zeros..).unwrap_or_default());
        mac.update(data);
        Ok(mac.finalize().into_bytes().into())
    }

    /// The symmetric key: the x coordinate of the point that both derived keys share.
    ///
    /// # Errors
    /// [`KeyError::Derivation`].
    pub fn symmetric_key(
        &self,
        protocol: &Protocol,
        key_id: KeyId<'_>,
    ) -> Result<[u8; 32], KeyError> {
        let tweak = self.tweak(protocol, key_id)?;
        let private = self
            .secret
            .add_tweak(&tweak)
            .map_err(|_| KeyError::Derivation)?;
        if self.is_own {
            return own_shared_x(private);
        }
        let public = self
            .counterparty
            .add_exp_tweak(&CURVE, &tweak)
            .map_err(|_| KeyError::Derivation)?;
        let point = ecdh::shared_secret_point(&public, &private);
        let mut key = [0; 32];
        key.copy_from_slice(&point[..32]);
        Ok(key)
    }

    /// The public key that the counterparty derives for itself.
    ///
    /// # Errors
    /// [`KeyError::Derivation`].
    pub fn counterparty_key(
        &self,
        protocol: &Protocol,
        key_id: KeyId<'_>,
    ) -> Result<PublicKey, KeyError> {
        let tweak = self.tweak(protocol, key_id)?;
        self.counterparty
            .add_exp_tweak(&CURVE, &tweak)
            .map_err(|_| KeyError::Derivation)
    }

    /// The public key that this side derives for itself.
    ///
    /// # Errors
    /// [`KeyError::Derivation`].
    pub fn own_key(&self, protocol: &Protocol, key_id: KeyId<'_>) -> Result<PublicKey, KeyError> {
        let mut private = self.private_key(protocol, key_id)?;
        let public = PublicKey::from_secret_key(&CURVE, &private);
        private.non_secure_erase();
        Ok(public)
    }

    /// The private key that this side derives for itself.
    ///
    /// # Errors
    /// [`KeyError::Derivation`].
    pub fn private_key(
        &self,
        protocol: &Protocol,
        key_id: KeyId<'_>,
    ) -> Result<SecretKey, KeyError> {
        let tweak = self.tweak(protocol, key_id)?;
        self.secret
            .add_tweak(&tweak)
            .map_err(|_| KeyError::Derivation)
    }

    /// The digest for which a signature of the derived key verifies with the root key.
    ///
    /// A signature (r, s) of digest z by the key P + h·G is checked by a point: z/s·G + r/s·(P + h·G).
    /// That point equals (z + r·h)/s·G + r/s·P. Adding r·h to the digest costs almost nothing. Deriving P + h·G costs about
    /// as much as the verification itself.
    ///
    /// Returns `None` for the few digests and sums that are no scalar: zero, or not below the order.
    fn root_digest(
        &self,
        protocol: &Protocol,
        key_id: KeyId<'_>,
        digest: &[u8; 32],
        signature: &Signature,
    ) -> Result<Option<[u8; 32]>, KeyError> {
        let tweak = self.tweak(protocol, key_id)?;
        let compact = signature.serialize_compact();
        let sum = || {
            let r = Scalar::from_be_bytes(*compact.first_chunk()?).ok()?;
            let z = Scalar::from_be_bytes(*digest).ok()?;
            let h = SecretKey::from_byte_array(tweak.to_be_bytes()).ok()?;
            h.mul_tweak(&r).ok()?.add_tweak(&z).ok()
        };
        Ok(sum().map(|sum| sum.secret_bytes()))
    }

    /// HMAC-SHA256 of the invoice `{level}-{protocol}-{key id}` under the shared secret.
    fn tweak(&self, protocol: &Protocol, key_id: KeyId<'_>) -> Result<Scalar, KeyError> {
        let mut mac = self.invoice_mac.clone();
        mac.update(protocol.0.as_bytes());
        mac.update(b"-");
        match key_id {
            KeyId::One(text) => mac.update(text.as_bytes()),
            KeyId::Pair(first, second) => {
                mac.update(first.as_bytes());
                mac.update(b" ");
                mac.update(second.as_bytes());
            }
        }
        Scalar::from_be_bytes(mac.finalize().into_bytes().into()).map_err(|_| KeyError::Derivation)
    }
}

/// The x coordinate of the point that a key shares with itself: k·(k·G) is k²·G, and multiples of G are cheap.
fn own_shared_x(mut private: SecretKey) -> Result<[u8; 32], KeyError> {
    let mut squared = private
        .mul_tweak(&Scalar::from(private))
        .map_err(|_| KeyError::Derivation)?;
    let point = PublicKey::from_secret_key(&CURVE, &squared).serialize();
    private.non_secure_erase();
    squared.non_secure_erase();
    point.last_chunk().copied().ok_or(KeyError::Derivation)
}

/// HMAC pads its key with zeros to a block. Padding it here leaves nothing that could fail.
fn keyed_mac(key: &[u8]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    Hmac::new(&block.into())
}

/// HMAC-SHA256 under a key that only this side has.
#[derive(Clone)]
pub(super) struct OwnMac(Hmac<Sha256>);

impl OwnMac {
    pub(super) fn of(&self, bytes: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    }
}

impl PairKeys {
    /// An HMAC keyed with all 32 bytes of the symmetric key of this protocol and key id.
    pub(super) fn mac(&self, protocol: &Protocol, key_id: KeyId<'_>) -> Result<OwnMac, KeyError> {
        let mut key = self.symmetric_key(protocol, key_id)?;
        let mac = OwnMac(keyed_mac(&key));
        key.zeroize();
        Ok(mac)
    }
}

impl Drop for PairKeys {
    fn drop(&mut self) {
        self.secret.non_secure_erase();
    }
}

impl fmt::Debug for PairKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PairKeys({:?})", IdentityKey::from(self.counterparty))
    }
}
