//! Messages on their way into the store and out of it.

use bytestring::ByteString;
use thiserror::Error;
use time::OffsetDateTime;

use crate::ids::{IdentityKey, RoomId};

/// What a message says, as its sender sent it. Cheap to clone: many recipients share one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageBody {
    /// A string.
    Text(ByteString),
    /// The JSON text of an object or array, not re-serialized.
    Json(ByteString),
}

impl MessageBody {
    /// As it is stored and listed: `{"message":...}`, and `"payment"` where one came along.
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

    /// Bytes of its text.
    pub(crate) fn bytes(&self) -> usize {
        self.live().len()
    }

    /// As it is delivered live: the string itself, or an object's JSON text.
    #[must_use]
    pub fn live(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Json(json) => json,
        }
    }
}

/// A message to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// Whose box it goes to.
    pub recipient: IdentityKey,
    /// Who proved to have sent it.
    pub sender: IdentityKey,
    /// The box's name.
    pub message_box: String,
    /// The sender's id for it, unique for the recipient.
    pub message_id: String,
    /// What it says.
    pub body: MessageBody,
    /// JSON of the payment that goes to the recipient with it.
    pub payment: Option<ByteString>,
    /// When it is no longer worth delivering.
    pub expires_at: Option<OffsetDateTime>,
    /// Where it is delivered live if not in the room of recipient and box; not stored.
    pub room: Option<RoomId>,
}

impl NewMessage {
    /// The room in which it is delivered live.
    #[must_use]
    pub fn live_room(&self) -> RoomId {
        let own = || RoomId::of(&self.recipient, &self.message_box);
        self.room.clone().unwrap_or_else(own)
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreOutcome {
    /// It is stored, durably.
    Stored,
    /// The same sender had stored it already; nothing was changed.
    Duplicate,
    /// This id is in use for this recipient: by another sender, or by the same one in another box. Nothing was changed.
    Taken,
}

/// A message as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Ascending in the order of storing.
    pub id: i64,
    /// The sender's id for it.
    pub message_id: String,
    /// Who sent it, 66 hexadecimal characters.
    pub sender: String,
    /// `{"message":...}`, and `"payment"` where one came along.
    pub body: String,
    /// ISO 8601.
    pub created_at: String,
    /// ISO 8601.
    pub updated_at: String,
}

/// A message that no list of limited size can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OversizedMessage {
    /// The sender's id for it.
    pub message_id: String,
    /// Who sent it, 66 hexadecimal characters.
    pub sender: String,
    /// Bytes of its body as it is stored.
    pub body_bytes: usize,
    /// ISO 8601.
    pub created_at: String,
}

/// Messages of a box.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessagePage {
    /// In the order asked for.
    pub messages: Vec<StoredMessage>,
    /// Those in between that are too large to be listed. They count as listed.
    pub oversized: Vec<OversizedMessage>,
    /// The `id` of the last message that counts.
    pub last: Option<i64>,
    /// Whether there are more behind them.
    pub more: bool,
}

impl MessagePage {
    /// How many messages it accounts for, listed and too large.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.messages.len() + self.oversized.len()
    }
}

/// What a list says beside its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Listed {
    /// How many messages it accounts for, listed and too large.
    pub count: usize,
    /// The `id` of the last message that counts.
    pub last: Option<i64>,
    /// Whether there are more behind them.
    pub more: bool,
}

/// There is no memory for another message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no memory for another message")]
pub struct NoMemory;

/// Takes the messages of a list one by one while they are read, so that no list is held as rows.
pub trait ListSink {
    /// Takes a message, which is measured to so many bytes.
    ///
    /// # Errors
    /// [`NoMemory`]: the message is not taken.
    fn message(&mut self, message: StoredMessage, bytes: usize) -> Result<(), NoMemory>;

    /// Takes a message that no list of limited size can hold; naming it takes so many bytes.
    ///
    /// # Errors
    /// [`NoMemory`]: the message is not taken.
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

/// How many bytes a list may take, and how they are counted.
#[derive(Debug, Clone, Copy)]
pub struct ListBound {
    /// Bytes of all messages.
    pub max_bytes: usize,
    /// Bytes of one message: at least those of its body and [`Self::overhead`].
    pub measure: fn(&StoredMessage) -> usize,
    /// Bytes that every message takes beside its body, at least.
    pub overhead: usize,
    /// Bytes that naming an oversized message takes; none where a message that is too large by itself is listed all the same,
    /// alone.
    pub name: Option<fn(&OversizedMessage) -> usize>,
}

/// What a message takes in the store beside its body: a sender, an id, four times.
#[cfg(test)]
pub(crate) const MESSAGE_OVERHEAD: usize = 512;

#[cfg(test)]
impl ListBound {
    /// So many stored bytes.
    pub(crate) fn stored(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            measure: |message| message.body.len() + MESSAGE_OVERHEAD,
            overhead: MESSAGE_OVERHEAD,
            name: None,
        }
    }
}

/// In which order messages are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The oldest first.
    #[default]
    Ascending,
    /// The newest first.
    Descending,
}

/// Which messages of a box are listed; all of them unless asked for less.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// So many at most.
    pub limit: Option<i64>,
    /// Without the first so many.
    pub offset: i64,
    /// Those behind the one with this `id`.
    pub after: Option<i64>,
    /// Only the one with this id of its sender's.
    pub message_id: Option<String>,
    /// In this order.
    pub order: Order,
}
