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

/// Collects the messages of a list that has no page limit.
impl ListSink for Vec<StoredMessage> {
    fn message(&mut self, message: StoredMessage, _bytes: usize) -> Result<(), NoMemory> {
        self.push(message);
        Ok(())
    }

    fn oversized(&mut self, _message: OversizedMessage, _bytes: usize) -> Result<(), NoMemory> {
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

/// A message without its sender and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageHead {
    /// Ascending in storage order.
    pub id: i64,
    /// An identity key in hexadecimal.
    pub recipient: String,
    /// The sender's id for it.
    pub message_id: String,
    pub created_at: String,
}

/// A message with everything that is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeMessage {
    pub head: MessageHead,
    pub message_box: String,
    /// An identity key in hexadecimal.
    pub sender: String,
    /// `{"message":...}`, with `"payment"` if one was sent.
    pub body: String,
}

/// A page of messages stored after a given one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CatchUpPage {
    /// The wanted messages, in storage order.
    pub messages: Vec<WholeMessage>,
    /// The next page starts after this id.
    pub last: i64,
    /// Whether there is a next page.
    pub more: bool,
}
