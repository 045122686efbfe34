//! What the sockets count: once for each event that comes in or answers one, never for a delivery.

use std::sync::atomic::AtomicU64;

use crate::events::ClientEvent;
use crate::metrics::{CodeCounts, Counter, Histogram};

/// Counts of all sockets since the start.
#[derive(Debug, Default)]
pub struct EventCounts {
    /// Auth messages that were refused: malformed, forged, replayed, of no session, with certificates that do not fit.
    pub refused: AtomicU64,
    /// Those of them that had come before.
    pub replayed: Counter,
    /// Frames held for a revival or until certificates come.
    pub held: AtomicU64,
    /// Sockets that have proven an identity.
    pub proven: Counter,
    /// Verified events that came, by name; what is no event of ours is `unknown`.
    pub events: CodeCounts,
    /// Events that were sent in answer to one.
    pub answers: Counter,
    /// Messages that were acknowledged.
    pub acks: Counter,
    /// Messages that were refused, by reason.
    pub failures: CodeCounts,
    /// Frames that wait until their socket's client can verify them.
    pub waiting: AtomicU64,
    /// Deliveries for which there was no more room there. They are in the list.
    pub dropped: Counter,
    /// From a message to its answer, in microseconds.
    pub answer_time: Histogram,
}

/// The name under which an event is counted.
pub(super) const fn name(event: &ClientEvent) -> &'static str {
    match event {
        ClientEvent::Authenticated(_) => "authenticated",
        ClientEvent::JoinRoom(_) => "joinRoom",
        ClientEvent::LeaveRoom(_) => "leaveRoom",
        ClientEvent::SendMessage(_) => "sendMessage",
        ClientEvent::Unknown(_) | ClientEvent::Undecodable => "unknown",
    }
}
