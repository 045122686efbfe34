//! Messages that are submitted, stored and listed.

use bytestring::ByteString;
use thiserror::Error;
use time::OffsetDateTime;

use crate::ids::{IdentityKey, RoomId};

/// A message body as its sender wrote it. Cheap to clone, because recipients share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageBody {
    /// A JSON string, unquoted.
    Text(ByteString),
    /// The JSON text of an object or array, not re-serialized.
    Json(ByteString),
}

impl MessageBody {
    /// The stored and listed form: `{"message":...}`, with `"payment"` if one was sent.
    #[must_use]
    pub fn wrapped(&self, payment: Option<&str>) -> String {
        let quoted;
        let json = match self {
            Self::Text(text) => {
                // A string always serializes.
                quoted = serde_json::to_string(&**text).unwrap_or_default();
                &quoted
            }
            Self::Json(json) => &**json,
        };
        match payment {
            Some(payment) => format!(r#"{{"message":{json},"payment":{payment}}}"#),
            None => format!(r#"{{"message":{json}}}"#),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.live().len()
    }

    /// The form for live delivery: the string itself, or an object's JSON text.
    #[must_use]
    pub fn live(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Json(json) => json,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// The owner of the box.
    pub recipient: IdentityKey,
    /// The identity that authenticated the request.
    pub sender: IdentityKey,
    pub message_box: String,
    /// The sender's id for it, unique per recipient.
    pub message_id: String,
    pub body: MessageBody,
    /// JSON of the payment for the recipient.
    pub payment: Option<ByteString>,
    pub expires_at: Option<OffsetDateTime>,
    /// The room for live delivery, if not the default room of recipient and box. Not stored.
    pub room: Option<RoomId>,
}

impl NewMessage {
    /// The room for live delivery.
    #[must_use]
    pub fn live_room(&self) -> RoomId {
        let own = || RoomId::of(&self.recipient, &self.message_box);
        self.room.clone().unwrap_or_else(own)
    }
}

/// The outcome for one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreOutcome {
    /// It is stored durably.
    Stored,
    /// The same sender had stored it already. Nothing was changed.
    Duplicate,
    /// The recipient has another message with this id: from another sender, or in another box. Nothing was changed.
    Taken,
}

/// A stored message in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Ascending in storage order.
    pub id: i64,
    /// The sender's id for it.
    pub message_id: String,
    /// An identity key in hexadecimal.
    pub sender: String,
    /// `{"message":...}`, with `"payment"` if one was sent.
    pub body: String,
    pub created_at: String,
    pub updated_at: String,
}

/// A message that is too large for any page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OversizedMessage {
    /// The sender's id for it.
    pub message_id: String,
    /// An identity key in hexadecimal.
    pub sender: String,
    /// Size of the stored body, in bytes.
    pub body_bytes: usize,
    pub created_at: String,
}

/// A page of messages of a box.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessagePage {
    pub messages: Vec<StoredMessage>,
    /// Messages of this page that are too large for any page. They count as listed.
    pub oversized: Vec<OversizedMessage>,
    /// The `id` of the last message, listed or too large.
    pub last: Option<i64>,
    /// Whether there are more messages.
    pub more: bool,
}

impl MessagePage {
    /// The number of messages, listed and too large.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.messages.len() + self.oversized.len()
    }
}

/// The end of a page, without its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PageEnd {
    /// The number of messages, listed and too large.
    pub count: usize,
    /// The `id` of the last message, listed or too large.
    pub last: Option<i64>,
    /// Whether there are more messages.
    pub more: bool,
}

/// The memory limit leaves no space for another message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the memory limit leaves no space for another message")]
pub struct NoMemory;

/// Receives the messages of a list one by one, so that no list is held as rows.
pub trait ListSink {
    /// Takes a message with its measured size in bytes.
    ///
    /// # Errors
    /// [`NoMemory`]: the message was not taken.
    fn message(&mut self, message: StoredMessage, bytes: usize) -> Result<(), NoMemory>;

    /// Takes a message that is too large for any page; `bytes` is the size of its name entry.
    ///
    /// # Errors
    /// [`NoMemory`]: the message was not taken.
    fn oversized(&mut self, message: OversizedMessage, bytes: usize) -> Result<(), NoMemory>;
}

impl ListSink for MessagePage {
    fn message(&mut self, message: StoredMessage, _bytes: usize) -> Result<(), NoMemory> {
        self.messages.push(message);
        Ok(())
    }

    fn oversized(&mut self, message: OversizedMessage, _bytes: usize) -> Result<(), NoMemory> {
        self.oversized.push(message);
        Ok(())
    }
}

/// The byte limit of a list, and how its bytes are counted.
#[derive(Debug, Clone, Copy)]
pub struct ListBound {
    pub max_bytes: usize,
    /// Size of one message in bytes: at least its body plus [`Self::overhead`].
    pub measure: fn(&StoredMessage) -> usize,
    /// Minimum bytes of a message beside its body.
    pub overhead: usize,
    /// Bytes of an oversized message's name entry. None lists an oversized message anyway, alone on its page.
    pub name: Option<fn(&OversizedMessage) -> usize>,
}

/// Bytes that a message takes in memory beside its body.
#[cfg(test)]
pub(crate) const MESSAGE_OVERHEAD: usize = 512;

#[cfg(test)]
impl ListBound {
    /// A bound on stored bytes.
    pub(crate) fn stored(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            measure: |message| message.body.len() + MESSAGE_OVERHEAD,
            overhead: MESSAGE_OVERHEAD,
            name: None,
        }
    }
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListOrder {
    #[default]
    Ascending,
    Descending,
}

/// Selects messages of a box; the default selects all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    pub limit: Option<i64>,
    /// Skips this many messages.
    pub offset: i64,
    /// Starts after the message with this `id`.
    pub after: Option<i64>,
    /// Selects only the message with this sender's id.
    pub message_id: Option<String>,
    pub order: ListOrder,
}
