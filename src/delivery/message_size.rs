//! The size of a message in a list, where its JSON is escaped a second time. Clients limit the size of a list.

use crate::json_text::{encoded_len, encoded_twice_len};
use crate::model::{MessageBody, NewMessage};

/// Bytes of a list item without body and id: field names, sender, four timestamps.
const OVERHEAD: usize = 512;

/// Largest length of one byte that is escaped twice: U+0001 becomes `\\u0001`.
const MAX_ESCAPED: usize = 7;

/// Bytes of `{"message":""}` as a JSON string, rounded up.
const WRAPPER: usize = 32;

/// Whether each message has at most `max` bytes in a list. The messages share a body. `payment` is the escaped size of the
/// payment that may be stored with each.
pub(super) fn all_fit(messages: &[NewMessage], payment: usize, max: usize) -> bool {
    let Some(first) = messages.first() else {
        return true;
    };
    let longest = messages.iter().map(|message| message.message_id.len());
    let fixed = OVERHEAD + MAX_ESCAPED * longest.max().unwrap_or(0);
    // Most messages are far below the bound. Only the others are measured.
    let beside = fixed.saturating_add(payment);
    let least = first.body.live().len();
    let most = least.saturating_mul(MAX_ESCAPED);
    if most.saturating_add(beside.saturating_add(WRAPPER)) <= max {
        return true;
    }
    // A body far above the bound takes long to measure.
    least.saturating_add(beside) <= max && listed_len(&first.body).saturating_add(beside) <= max
}

/// Bytes of a body in a list, without its payment.
fn listed_len(body: &MessageBody) -> usize {
    /// Bytes around a body: `{"message":}` as a JSON string.
    const FRAME: usize = r#""{\"message\":}""#.len();
    // The encoded body lacks its own quotation marks there.
    FRAME - 2
        + match body {
            MessageBody::Text(text) => encoded_twice_len(text),
            MessageBody::Json(json) => encoded_len(json),
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;
    use crate::model::MessageBody;

    fn message(body: MessageBody) -> NewMessage {
        let key = Identity::random().identity_key();
        NewMessage {
            recipient: key,
            sender: key,
            message_box: "inbox".to_owned(),
            message_id: "1".to_owned(),
            body,
            payment: None,
            expires_at: None,
            room: None,
        }
    }

    /// The bytes of the body in a list, by the encoder of the lists.
    fn listed(message: &NewMessage) -> usize {
        serde_json::to_string(&message.body.wrapped(None))
            .unwrap()
            .len()
    }

    #[test]
    fn the_size_is_that_of_json_escaped_as_json() {
        assert!(all_fit(&[], 0, 0));
        let bodies = ["x", "\"", "\\", "\n", "\u{1}", "é", "\u{2028}"];
        for character in bodies {
            let text = MessageBody::Text(character.repeat(1_000).into());
            let json = serde_json::to_string(&[character.repeat(1_000)]).unwrap();
            for body in [text, MessageBody::Json(json.into())] {
                let message = message(body);
                let bytes = listed(&message) + OVERHEAD + MAX_ESCAPED;
                for payment in [0, 77] {
                    let (messages, bytes) = ([message.clone()], bytes + payment);
                    assert!(all_fit(&messages, payment, bytes), "{character:?}");
                    assert!(!all_fit(&messages, payment, bytes - 1), "{character:?}");
                }
            }
        }
    }
}
