//! The events of the server.

use serde::Deserialize;
use serde_json::Value;

use crate::events;
use crate::ids::RoomId;

use super::error::ClientError;

/// The payload of a general message from the server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReceivedEvent {
    /// The name of the event, including the room: `sendMessage-<room>`.
    #[serde(rename = "eventName")]
    pub name: String,
    /// The data of the event, any JSON.
    #[serde(default)]
    pub data: Value,
}

/// A message that the server delivered live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// The sender's id for the message.
    pub message_id: String,
    /// The sender's identity key, 66 hexadecimal characters.
    pub sender: String,
    /// The body as the sender wrote it. [`read_live_body`](super::read_live_body) decrypts it.
    pub body: String,
    /// When the server stored the message, ISO 8601. Empty if the server does not say.
    pub created_at: String,
}

impl ReceivedEvent {
    /// Parses the payload of a general message.
    ///
    /// # Errors
    /// [`ClientError::Unexpected`] if the payload is not an event.
    pub fn parse(payload: &[u8]) -> Result<Self, ClientError> {
        serde_json::from_slice(payload)
            .map_err(|_| ClientError::Unexpected("a payload that is not an event"))
    }

    /// A text field of the data, or an empty text.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        let value = self.data.get(field);
        value.and_then(Value::as_str).unwrap_or_default()
    }

    /// When the server stored the message. Older servers use the other spelling.
    fn created_at(&self) -> &str {
        match self.text("createdAt") {
            "" => self.text("created_at"),
            time => time,
        }
    }

    /// The message that the event delivers, if it delivers one of this room.
    #[must_use]
    pub fn message_of(&self, room: &RoomId) -> Option<ReceivedMessage> {
        let of_room = self.name.strip_prefix(events::SEND_MESSAGE)?;
        if of_room.strip_prefix('-')? != room.as_str() {
            return None;
        }
        Some(ReceivedMessage {
            message_id: self.text("messageId").to_owned(),
            sender: self.text("sender").to_owned(),
            body: self.text("body").to_owned(),
            created_at: self.created_at().to_owned(),
        })
    }

    /// Turns a failure event into an error.
    #[must_use]
    pub fn into_refusal(self) -> ClientError {
        ClientError::EventRefused {
            reason: self.text("reason").to_owned(),
            event: self.name,
        }
    }
}
