//! Limits of the published clients. An event that exceeds them makes such a client disconnect for good.

use crate::js_trim::is_js_blank;

/// Client: asks to store and deliver a message. Server: `sendMessage-<room>` delivers one.
pub const SEND_MESSAGE: &str = "sendMessage";
/// Server: `sendMessageAck-<room>` says whether a message was stored.
pub const SEND_MESSAGE_ACK: &str = "sendMessageAck";
/// Names that event emitters reserve. Clients refuse events with these names.
const RESERVED_EVENT_NAMES: [&str; 7] = [
    "_unknown",
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// Longest name of a message box in bytes. The events of its room then fit into [`MAX_EVENT_NAME_BYTES`].
pub const MAX_MESSAGE_BOX_BYTES: usize = 128;
/// Longest name of an event in bytes.
pub const MAX_EVENT_NAME_BYTES: usize = 256;
/// Largest event in bytes of its JSON.
pub const MAX_EVENT_BYTES: usize = 1_048_576;

/// Whether the server accepts messages for a box of this name.
///
/// Older rows may be in boxes with other names. The server lists them and never delivers them live.
#[must_use]
pub fn is_message_box(name: &str) -> bool {
    !is_js_blank(name) && name.len() <= MAX_MESSAGE_BOX_BYTES && is_printable(name)
}

/// Whether clients accept an event of this name.
#[must_use]
pub fn is_event_name(name: &str) -> bool {
    (1..=MAX_EVENT_NAME_BYTES).contains(&name.len())
        && is_printable(name)
        && !RESERVED_EVENT_NAMES.contains(&name)
}

/// Whether clients accept the message events and acks of this room.
#[must_use]
pub fn is_live_room(room: &str) -> bool {
    const PREFIX_BYTES: usize = if SEND_MESSAGE.len() > SEND_MESSAGE_ACK.len() {
        SEND_MESSAGE.len()
    } else {
        SEND_MESSAGE_ACK.len()
    };
    !room.is_empty() && PREFIX_BYTES + 1 + room.len() <= MAX_EVENT_NAME_BYTES && is_printable(room)
}

/// Whether a text has neither control characters nor characters that change the direction of text.
fn is_printable(text: &str) -> bool {
    // Most names are ASCII.
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return true;
    }
    !text.chars().any(|character| {
        character.is_control()
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{IDENTITY_KEY_HEX_LEN, RoomId};

    const UNPRINTABLE: [char; 13] = [
        '\0', '\u{1}', '\n', '\u{1f}', '\u{7f}', '\u{80}', '\u{85}', '\u{9f}', '\u{202a}',
        '\u{202c}', '\u{202e}', '\u{2066}', '\u{2069}',
    ];

    #[test]
    fn a_box_has_128_bytes_at_most_and_nothing_unprintable() {
        let fits = "é".repeat(64);
        for name in [
            "inbox",
            "a b",
            " a ",
            "a-b",
            "a\u{2028}b",
            "a\u{202f}b",
            &fits,
            "😀",
        ] {
            assert!(is_message_box(name), "{name:?}");
        }
        let long = "é".repeat(64) + "a";
        for name in ["", " ", "\u{3000}", "\u{feff}", &long, &"x".repeat(178)] {
            assert!(!is_message_box(name), "{name:?}");
        }
        for character in UNPRINTABLE {
            assert!(!is_message_box(&format!("a{character}b")), "{character:?}");
        }
    }

    #[test]
    fn an_event_name_has_256_bytes_at_most_and_is_not_reserved() {
        assert!(is_event_name(&"x".repeat(256)) && is_event_name("joinRoom"));
        assert!(!is_event_name("") && !is_event_name(&"x".repeat(257)));
        for name in RESERVED_EVENT_NAMES {
            assert!(!is_event_name(name), "{name}");
        }
        for character in UNPRINTABLE {
            assert!(!is_event_name(&format!("a{character}")), "{character:?}");
        }
    }

    #[test]
    fn every_room_of_a_box_is_live_and_no_other_is_whose_events_are_refused() {
        let of = |message_box: &str| format!("{}-{message_box}", "02".repeat(33));
        assert_eq!(of("").len(), IDENTITY_KEY_HEX_LEN + 1);
        assert!(is_live_room(&of(&"x".repeat(MAX_MESSAGE_BOX_BYTES))) && is_live_room("lobby"));
        for room in [
            String::new(),
            of(&"x".repeat(178)),
            of("\u{202e}"),
            of("\u{1}"),
        ] {
            assert!(!is_live_room(&room), "{room:?}");
        }
        // The longest room whose message events and acks both have acceptable names.
        let longest = "x".repeat(241);
        assert!(is_live_room(&longest) && !is_live_room(&format!("{longest}x")));
        for prefix in [SEND_MESSAGE, SEND_MESSAGE_ACK] {
            assert!(is_event_name(&format!(
                "{prefix}-{}",
                RoomId::new(&*longest)
            )));
        }
    }
}
