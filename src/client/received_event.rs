//! An event of the server: its name and its data.

use serde::Deserialize;
use serde_json::Value;

use crate::events;
use crate::ids::RoomId;

use super::error::ClientError;

/// What a general message of a server carries.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReceivedEvent {
    /// Its name, a room's included: `sendMessage-<room>`.
    #[serde(rename = "eventName")]
    pub name: String,
    /// Its data.
    #[serde(default)]
    pub data: Value,
}

/// A message as it is delivered live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// The sender's id for it.
    pub message_id: String,
    /// Who sent it, 66 hexadecimal characters.
    pub sender: String,
    /// As it was sent. [`read_live_body`](super::read_live_body) reads it.
    pub body: String,
    /// When it was stored, ISO 8601; empty where the server does not say.
    pub created_at: String,
}

impl ReceivedEvent {
    /// Reads the payload of a general message.
    ///
    /// # Errors
    /// [`ClientError::Unexpected`] when it is no event.
    pub fn parse(payload: &[u8]) -> Result<Self, ClientError> {
        serde_json::from_slice(payload)
            .map_err(|_| ClientError::Unexpected("a payload that is no event"))
    }

    /// A text in its data.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        let value = self.data.get(field);
        value.and_then(Value::as_str).unwrap_or_default()
    }

    /// When its message was stored. Older servers use the other spelling.
    fn created_at(&self) -> &str {
        match self.text("createdAt") {
            "" => self.text("created_at"),
            time => time,
        }
    }

    /// The message that it delivers, if it delivers one of this room.
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

    /// As the failure that it tells of.
    #[must_use]
    pub fn into_refusal(self) -> ClientError {
        ClientError::EventRefused {
            reason: self.text("reason").to_owned(),
            event: self.name,
        }
    }
}
