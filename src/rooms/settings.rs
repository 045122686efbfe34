//! The rules of rooms: who may join which room, and the bounds of a member.

use serde::{Deserialize, Serialize};

use crate::ids::{IDENTITY_KEY_HEX_LEN, IdentityKey, RoomId};
use crate::js_trim::is_js_blank;

/// Rules and bounds of rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomSettings {
    /// Whether an authenticated socket is a member of every room of its own identity.
    pub auto_join: bool,
    /// Who may join which room.
    pub access: RoomAccess,
    /// Rooms that one socket may join by asking.
    pub max_rooms_per_socket: usize,
    /// Unhandled events that one socket may have; with more it is a slow consumer.
    pub max_pending_deliveries: usize,
    /// Largest event in bytes. Larger ones are not delivered.
    pub max_event_bytes: usize,
}

impl Default for RoomSettings {
    fn default() -> Self {
        Self {
            auto_join: true,
            access: RoomAccess::Owner,
            max_rooms_per_socket: 1_000,
            max_pending_deliveries: 10_000,
            max_event_bytes: 1024 * 1024,
        }
    }
}

/// Which identities may join a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoomAccess {
    /// Only the identity in the room id may join.
    #[default]
    Owner,
    /// Any authenticated identity may join any room.
    Open,
}

impl RoomAccess {
    /// Whether `room` names a key and no box. Where only owners join, such an id is no room.
    pub fn is_malformed(self, room: &RoomId) -> bool {
        let parts = room.as_str().split_at_checked(IDENTITY_KEY_HEX_LEN);
        let lacks_box = parts.is_some_and(|(key, rest)| {
            key.bytes().all(|byte| byte.is_ascii_hexdigit())
                && is_js_blank(rest.strip_prefix('-').unwrap_or(rest))
        });
        self == Self::Owner && lacks_box
    }

    /// Whether `identity` may join `room`.
    pub fn admits(self, identity: &IdentityKey, room: &RoomId) -> bool {
        match self {
            Self::Owner => room.parts().is_some_and(|(owner, _)| owner == *identity),
            Self::Open => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_without_a_box_is_no_room_where_rooms_have_owners() {
        let key = "02".repeat(33);
        for text in [key.clone(), format!("{key}-"), format!("{key}- \u{feff}")] {
            let room = RoomId::new(text);
            assert!(RoomAccess::Owner.is_malformed(&room), "{room}");
            assert!(!RoomAccess::Open.is_malformed(&room), "{room}");
        }
        let others = [
            String::new(),
            "lobby".into(),
            format!("{key}-x"),
            format!("{key}x"),
            "x".repeat(66),
        ];
        for text in others {
            let room = RoomId::new(text);
            assert!(!RoomAccess::Owner.is_malformed(&room), "{room}");
        }
    }

    #[test]
    fn rooms_belong_to_their_owner_unless_they_are_open() {
        let own: IdentityKey = "022f8bde4d1a07209355b4a7250a5c5128e88b84bddc619ab7cba8d569b240efe4"
            .parse()
            .unwrap();
        let other: IdentityKey =
            "03774ae7f858a9411e5ef4246b70c65aac5649980be5c17891bbec17895da008cb"
                .parse()
                .unwrap();
        let cases = [
            (RoomId::of(&own, "inbox"), true),
            (RoomId::of(&own, "a-b"), true),
            (RoomId::of(&other, "inbox"), false),
            (RoomId::new("lobby"), false),
            (RoomId::new(format!("{own}x")), false),
        ];
        for (room, owned) in cases {
            assert_eq!(RoomAccess::Owner.admits(&own, &room), owned, "{room}");
            assert!(RoomAccess::Open.admits(&own, &room), "{room}");
        }
    }
}
