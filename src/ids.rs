//! Identifiers that every room shares.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Characters of an identity key in hexadecimal (33 bytes, compressed SEC1).
pub const IDENTITY_KEY_HEX_LEN: usize = 66;

/// A compressed secp256k1 public key (33 bytes) that identifies a party (BRC-103 `identityKey`).
///
/// It is always a point on the curve. `Display` writes 66 lower-case hexadecimal characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityKey([u8; 33]);

/// Why a text or bytes are not an identity key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IdentityKeyError {
    /// The text is not hexadecimal, or has the wrong length.
    #[error("an identity key is 66 hexadecimal characters")]
    Shape,
    /// The bytes are not a point on secp256k1.
    #[error("not a point on secp256k1")]
    NotOnCurve,
}

impl IdentityKey {
    /// Parses 33 compressed or 65 uncompressed SEC1 bytes.
    ///
    /// # Errors
    /// [`IdentityKeyError::NotOnCurve`] if the bytes are not a point on the curve.
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, IdentityKeyError> {
        secp256k1::PublicKey::from_slice(bytes)
            .map(Self::from)
            .map_err(|_| IdentityKeyError::NotOnCurve)
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 33] {
        &self.0
    }

    /// The first characters, for logs.
    #[must_use]
    pub fn shortened(&self) -> String {
        let hex = self.to_hex();
        format!("{}…", hex.get(..10).unwrap_or(&hex))
    }

    /// Writes 66 lower-case hexadecimal characters.
    #[must_use]
    pub fn to_hex(&self) -> String {
        // `hex::encode` pushes one character after another, and each write needs several keys.
        let mut text = [0; 66];
        match hex::encode_to_slice(self.0, &mut text) {
            Ok(()) => String::from_utf8_lossy(&text).into_owned(),
            Err(_) => hex::encode(self.0),
        }
    }
}

impl From<secp256k1::PublicKey> for IdentityKey {
    fn from(key: secp256k1::PublicKey) -> Self {
        Self(key.serialize())
    }
}

impl FromStr for IdentityKey {
    type Err = IdentityKeyError;

    /// Parses upper and lower case, compressed (66) and uncompressed (130) hexadecimal.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != IDENTITY_KEY_HEX_LEN && text.len() != 130 {
            return Err(IdentityKeyError::Shape);
        }
        let bytes = hex::decode(text).map_err(|_| IdentityKeyError::Shape)?;
        Self::from_sec1(&bytes)
    }
}

impl fmt::Display for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// Shortened, because logs need not repeat whole keys to tell parties apart.
impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityKey({})", self.shortened())
    }
}

/// The name of a room. By convention it is `{recipient identity key}-{message box}`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(Box<str>);

impl RoomId {
    /// Accepts any text, with or without the convention.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The room of a recipient's message box.
    #[must_use]
    pub fn of(recipient: &IdentityKey, message_box: &str) -> Self {
        Self(format!("{recipient}-{message_box}").into())
    }

    /// The text as the client wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 66 characters, if they are hexadecimal and a `-` follows. It costs no curve arithmetic.
    #[must_use]
    pub fn owner_hex(&self) -> Option<&str> {
        let (key, rest) = self.0.split_at_checked(IDENTITY_KEY_HEX_LEN)?;
        let is_key = rest.starts_with('-') && key.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_key.then_some(key)
    }

    /// The same room with the owner's key in lower case, the form that the server stores and sends.
    #[must_use]
    pub fn canonical(self) -> Self {
        match self.owner_hex() {
            Some(owner) if owner.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                let (key, rest) = self.0.split_at(IDENTITY_KEY_HEX_LEN);
                Self(format!("{}{rest}", key.to_ascii_lowercase()).into())
            }
            _ => self,
        }
    }

    /// Owner and box, split at character 66, because a box name may contain `-`. Returns `None` if the id does not follow the
    /// convention or the key is not on the curve.
    #[must_use]
    pub fn parts(&self) -> Option<(IdentityKey, &str)> {
        let (key, rest) = self.0.split_at_checked(IDENTITY_KEY_HEX_LEN)?;
        let message_box = rest.strip_prefix('-')?;
        Some((key.parse().ok()?, message_box))
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomId({:?})", &*self.0)
    }
}

/// An Engine.IO session id: 20 URL-safe characters that encode 15 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid([u8; Self::LEN]);

impl Sid {
    pub const LEN: usize = 20;

    /// Encodes 15 random bytes.
    #[must_use]
    pub fn from_random(bytes: [u8; 15]) -> Self {
        use base64::Engine as _;
        let mut text = [0; Self::LEN];
        // 15 bytes encode to exactly 20 characters, so the length always fits.
        let _ = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        Self(text)
    }

    /// Creates an unguessable session id.
    #[must_use]
    pub fn random() -> Self {
        Self::from_random(rand::random())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The text is not a session id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a session id")]
pub struct SidError;

impl FromStr for Sid {
    type Err = SidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes: [u8; Self::LEN] = text.as_bytes().try_into().map_err(|_| SidError)?;
        let fits = bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if fits { Ok(Self(bytes)) } else { Err(SidError) }
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sid({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "022f8bde4d1a07209355b4a7250a5c5128e88b84bddc619ab7cba8d569b240efe4";

    #[test]
    fn identity_keys_are_normalised_to_lower_case_compressed_hex() {
        let upper: IdentityKey = KEY.to_uppercase().parse().unwrap();
        assert_eq!(upper.to_hex(), KEY);
        let point = secp256k1::PublicKey::from_slice(upper.as_bytes()).unwrap();
        let long = hex::encode(point.serialize_uncompressed());
        assert_eq!(long.parse::<IdentityKey>().unwrap(), upper);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!("".parse::<IdentityKey>(), Err(IdentityKeyError::Shape));
        assert_eq!(
            "zz".repeat(33).parse::<IdentityKey>(),
            Err(IdentityKeyError::Shape)
        );
        assert_eq!(
            "05".repeat(33).parse::<IdentityKey>(),
            Err(IdentityKeyError::NotOnCurve)
        );
        let off_curve = format!("02{}", "ff".repeat(32));
        assert_eq!(
            off_curve.parse::<IdentityKey>(),
            Err(IdentityKeyError::NotOnCurve)
        );
    }

    #[test]
    fn a_room_splits_at_the_key_and_never_at_a_dash() {
        let room = RoomId::new(format!("{KEY}-chat-room-1"));
        let (owner, message_box) = room.parts().unwrap();
        assert_eq!(owner.to_hex(), KEY);
        assert_eq!(message_box, "chat-room-1");
        assert_eq!(RoomId::of(&owner, "chat-room-1"), room);
    }

    #[test]
    fn rooms_without_the_convention_have_no_parts() {
        for text in ["", "lobby", KEY, &format!("{KEY}_inbox"), &"é".repeat(66)] {
            assert!(RoomId::new(text).parts().is_none(), "{text}");
        }
    }

    #[test]
    fn session_ids_round_trip_and_refuse_other_text() {
        let sid = Sid::random();
        assert_eq!(sid.as_str().parse::<Sid>().unwrap(), sid);
        assert_ne!(sid, Sid::random());
        for text in ["", "short", "twenty characters !!", "twenty-one-characters"] {
            assert!(text.parse::<Sid>().is_err(), "{text}");
        }
    }
}
