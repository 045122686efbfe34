//! Messages in boxes, for operators.

use std::time::Duration;

/// The messages of one box, including expired ones that are not deleted yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingBox {
    /// The number of the box. Pages use this order.
    pub id: i64,
    /// The owner of the box, 66 hexadecimal characters.
    pub identity: String,
    pub message_box: String,
    pub messages: i64,
    /// Bytes of the stored bodies.
    pub bytes: i64,
    /// The age of the oldest message.
    pub oldest: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingPage {
    /// The boxes, in the order of their numbers.
    pub boxes: Vec<WaitingBox>,
    /// The next page starts after this number; none on the last page.
    pub next: Option<i64>,
}

/// The messages of all boxes of a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WaitingTotal {
    /// Number of boxes with messages.
    pub boxes: usize,
    pub messages: i64,
    /// Bytes of the stored bodies.
    pub bytes: i64,
    /// The age of the oldest message; none if there is none.
    pub oldest: Option<Duration>,
}

/// The total of one identity in one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityTotal {
    /// An identity key in hexadecimal.
    pub identity: String,
    pub messages: i64,
    /// Bytes of the stored bodies.
    pub bytes: i64,
}

/// The order of a list of totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TotalsOrder {
    /// By identity, from a given one.
    Identity,
    Messages,
    Bytes,
}
