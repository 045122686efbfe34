//! What waits in boxes, as an operator gets to see it.

use std::time::Duration;

/// Messages that wait in one box, expired ones that are not deleted yet included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingBox {
    /// The box's number; pages have this order.
    pub id: i64,
    /// Whose box, 66 hexadecimal characters.
    pub identity: String,
    /// The box's name.
    pub message_box: String,
    /// How many.
    pub messages: i64,
    /// Bytes of their bodies.
    pub bytes: i64,
    /// How long ago the oldest was stored.
    pub oldest: Duration,
}

/// A page of boxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingPage {
    /// By their numbers.
    pub boxes: Vec<WaitingBox>,
    /// The number behind which the next page begins; none: there are no more.
    pub next: Option<i64>,
}

/// What waits in all boxes of a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WaitingTotal {
    /// Boxes with messages.
    pub boxes: usize,
    /// How many messages.
    pub messages: i64,
    /// Bytes of their bodies.
    pub bytes: i64,
    /// How long ago the oldest was stored; none: there is none.
    pub oldest: Option<Duration>,
}

/// What an identity has stored in one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityTotal {
    /// Which identity, 66 hexadecimal characters.
    pub identity: String,
    /// How many messages.
    pub messages: i64,
    /// Bytes of their bodies.
    pub bytes: i64,
}

/// The order of a list of totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TotalsOrder {
    /// By identity, from the one behind this.
    Identity,
    /// Those with most messages.
    Messages,
    /// Those with most bytes.
    Bytes,
}
