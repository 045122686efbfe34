//! Rebuilds the live event of a message that is read from the database.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::events::{LiveMessage, ServerEvent};
use crate::ids::{IdentityKey, RoomId};
use crate::model::WholeMessage;
use crate::rooms::{ClusterEvent, EventKey};

/// The JSON of a stored body.
#[derive(Deserialize)]
struct StoredBody<'a> {
    #[serde(borrow)]
    message: &'a RawValue,
    #[serde(borrow)]
    payment: Option<&'a RawValue>,
}

/// The event that a message made in its room when it was stored.
///
/// `None` if this server did not write the message, or if it came with a payment: such a message is only listed. A request
/// that paid only the server left no payment in its row, so its message makes an event. That event could lose no coins.
pub(crate) fn live_event(message: &WholeMessage) -> Option<ClusterEvent> {
    let recipient: IdentityKey = message.head.recipient.parse().ok()?;
    let room = RoomId::of(&recipient, &message.message_box);
    let body: StoredBody<'_> = serde_json::from_str(&message.body).ok()?;
    if body.payment.is_some() {
        return None;
    }
    let text: Option<String> = serde_json::from_str(body.message.get()).ok();
    let created_at = message.head.created_at.as_str();
    let event = LiveMessage {
        sender: &message.sender,
        message_id: &message.head.message_id,
        body: text.as_deref().unwrap_or(body.message.get()),
        recipient: &message.head.recipient,
        message_box: &message.message_box,
        created_at,
        updated_at: created_at,
    };
    let event = ServerEvent::Message(&room, event).encode().into();
    Some(ClusterEvent {
        key: EventKey::of_message(
            &message.head.recipient,
            &message.head.message_id,
            created_at,
        ),
        id: Some(message.head.id),
        // The database does not store it.
        trace: None,
        event,
        room,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MessageHead;

    #[test]
    fn a_stored_message_makes_the_event_that_it_made_live() {
        let key = "022f8bde4d1a07209355b4a7250a5c5128e88b84bddc619ab7cba8d569b240efe4";
        let message = |body: &str| WholeMessage {
            head: MessageHead {
                id: 1,
                recipient: key.to_owned(),
                message_id: "m".to_owned(),
                created_at: "t".to_owned(),
            },
            message_box: "inbox".to_owned(),
            sender: "s".to_owned(),
            body: body.to_owned(),
        };
        for (stored, live) in [
            (r#"{"message":"a \"text\""}"#, r#"a "text""#),
            (r#"{"message":{ "n": 1 }}"#, r#"{ "n": 1 }"#),
        ] {
            let event = live_event(&message(stored)).unwrap();
            let json: serde_json::Value = serde_json::from_slice(&event.event).unwrap();
            assert_eq!(json["eventName"], format!("sendMessage-{key}-inbox"));
            assert_eq!(
                (&json["data"]["body"], &json["data"]["createdAt"]),
                (&live.into(), &"t".into())
            );
            assert_eq!(event.key, EventKey::of_message(key, "m", "t"));
        }
        let paid = r#"{"message":"x","payment":{"tx":[1]}}"#;
        for stored in ["no json", paid] {
            assert_eq!(live_event(&message(stored)), None);
        }
    }
}
