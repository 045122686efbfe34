//! Names of channels and keys in Redis.

use crate::auth::sha256;
use crate::rooms::Topic;

/// The channel of greetings.
pub(super) const GREETINGS: &str = "nodes";

/// The channel of a topic, without the prefix. Ids of rooms without an owner are hashed, because they may be long and have
/// any bytes.
pub(super) fn channel(topic: &Topic) -> String {
    if topic.is_owner() {
        format!("identity:{}", topic.as_str())
    } else {
        let digest = sha256(topic.as_str().as_bytes());
        format!("room:{}", hex::encode(digest))
    }
}

/// Adds a hash tag (text in braces) to the prefix. A Redis cluster then keeps all our names in one slot of one server.
pub(super) fn in_one_slot(prefix: &str) -> String {
    let is_tagged = prefix
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .is_some_and(|(tag, _)| !tag.is_empty());
    match prefix {
        _ if is_tagged => prefix.to_owned(),
        "" => "{messagebox}".to_owned(),
        _ => format!("{{{prefix}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RoomId;

    #[test]
    fn identities_are_named_and_rooms_hashed() {
        let key = "022f8bde4d1a07209355b4a7250a5c5128e88b84bddc619ab7cba8d569b240efe4";
        let own = channel(&Topic::of(&RoomId::new(format!("{key}-inbox"))));
        assert_eq!(own, format!("identity:{key}"));
        let room = channel(&Topic::of(&RoomId::new("a room".repeat(99))));
        assert_eq!(room.len(), "room:".len() + 64);
    }

    #[test]
    fn a_prefix_names_one_slot_and_an_operators_own_is_kept() {
        for (prefix, expected) in [
            ("messagebox:", "{messagebox:}"),
            ("{a}:", "{a}:"),
            ("x{a}:", "x{a}:"),
            ("{}:", "{{}:}"),
            ("a}", "{a}}"),
            ("", "{messagebox}"),
        ] {
            assert_eq!(in_one_slot(prefix), expected);
        }
    }
}
