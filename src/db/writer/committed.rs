//! Messages that have just been stored, and the notice of them.

use actix::Message;

use crate::limits::{Owner, Permit};
use crate::model::NewMessage;
use crate::telemetry::TraceId;

/// A message that has just been made durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The message.
    pub message: NewMessage,
    /// ISO 8601; the same for creation and update.
    pub created_at: String,
    /// What it belongs to in the log.
    pub trace: Option<TraceId>,
    /// Ascending in the order of storing; where the store was asked to tell it.
    pub id: Option<i64>,
    /// Whether the request that brought it had a payment.
    pub is_paid: bool,
}

/// Notice: these messages are durable, in the order in which they were stored. Sent once for each commit,
/// after its replies.
///
/// A mailbox is no bound: until the notice is dropped, its messages count among the writes that may wait.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct MessagesStored {
    /// The messages.
    pub messages: Vec<Committed>,
    _places: Vec<Permit<Owner>>,
}

impl MessagesStored {
    /// A notice that takes no places.
    #[must_use]
    pub const fn new(messages: Vec<Committed>) -> Self {
        Self {
            messages,
            _places: Vec::new(),
        }
    }

    /// A notice whose messages have places until it is dropped.
    pub(super) const fn counted(messages: Vec<Committed>, places: Vec<Permit<Owner>>) -> Self {
        Self {
            messages,
            _places: places,
        }
    }
}
