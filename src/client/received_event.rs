//! An event of the server: its name and its data.

use serde::Deserialize;
use serde_json::Value;

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

    /// As the failure that it tells of.
    #[must_use]
    pub fn into_refusal(self) -> ClientError {
        ClientError::EventRefused {
            reason: self.text("reason").to_owned(),
            event: self.name,
        }
    }
}
