//! The notice of newly stored messages.

use actix::Message;

use crate::limits::{Owner, Permit};
use crate::model::NewMessage;
use crate::telemetry::TraceId;

/// A message that was just made durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub message: NewMessage,
    /// ISO 8601. Creation and update time are the same.
    pub created_at: String,
    /// The trace id for the log.
    pub trace: Option<TraceId>,
    /// Ascending in storage order; present if the store is set to return ids.
    pub id: Option<i64>,
    /// Whether its request came with a payment.
    pub is_paid: bool,
}

/// Notice: these messages are durable, in storage order. One notice follows the replies of each commit.
///
/// actix mailboxes are unbounded, so the messages keep their queue permits until the notice is dropped.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct MessagesStored {
    pub messages: Vec<Committed>,
    _places: Vec<Permit<Owner>>,
}

impl MessagesStored {
    /// A notice without permits.
    #[must_use]
    pub const fn new(messages: Vec<Committed>) -> Self {
        Self {
            messages,
            _places: Vec::new(),
        }
    }

    /// A notice that holds permits until it is dropped.
    pub(super) const fn counted(messages: Vec<Committed>, places: Vec<Permit<Owner>>) -> Self {
        Self {
            messages,
            _places: places,
        }
    }
}
