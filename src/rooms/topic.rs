//! What nodes tell each other events under: one topic for all rooms of an identity, one for each other room.

use crate::ids::{IDENTITY_KEY_HEX_LEN, RoomId};

/// A name under which events reach other nodes. Members belong to all rooms of their identity at once, so those share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Box<str>);

impl Topic {
    /// The topic of a room.
    #[must_use]
    pub fn of(room: &RoomId) -> Self {
        match room.owner_hex() {
            Some(owner) => Self::of_owner(owner),
            None => Self(room.as_str().into()),
        }
    }

    /// The topic of all rooms of an identity, by its key in hexadecimal.
    #[must_use]
    pub fn of_owner(key: &str) -> Self {
        Self(key.to_ascii_lowercase().into())
    }

    /// The identity's key in hexadecimal, or the room's id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it looks like an identity's.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.0.len() == IDENTITY_KEY_HEX_LEN && self.0.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_of_an_identity_share_a_topic_and_others_have_their_own() {
        let key = "022f8bde4d1a07209355b4a7250a5c5128e88b84bddc619ab7cba8d569b240efe4";
        let own = Topic::of_owner(key);
        assert_eq!(Topic::of(&RoomId::new(format!("{key}-a"))), own);
        let upper = key.to_ascii_uppercase();
        assert_eq!(Topic::of(&RoomId::new(format!("{upper}-b"))), own);
        let lobby = Topic::of(&RoomId::new("lobby"));
        assert!(own.is_owner() && !lobby.is_owner());
        assert_eq!(lobby.as_str(), "lobby");
    }
}
