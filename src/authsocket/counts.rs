//! Counts of all sockets: of events from clients and of answers to them, never of deliveries.

use std::sync::atomic::AtomicU64;

use crate::events::ClientEvent;
use crate::metrics::{CodeCounts, Counter, Histogram};

/// Counts of all sockets since the start of the server.
#[derive(Debug, Default)]
pub struct EventCounts {
    /// Refused auth messages: malformed, forged, replayed, of no session, or with invalid certificates.
    pub refused: AtomicU64,
    /// Refused auth messages that had been received before.
    pub replayed: Counter,
    /// Frames held until a revival, or until certificates arrive.
    pub held: AtomicU64,
    /// Sockets that have authenticated an identity.
    pub proven: Counter,
    /// Verified events of clients by name; unknown ones count as `unknown`.
    pub events: CodeCounts,
    /// Events that were sent as answers.
    pub answers: Counter,
    /// Messages that were acknowledged.
    pub acks: Counter,
    /// Messages that were refused, by reason.
    pub failures: CodeCounts,
    /// Frames that wait until the client can verify them.
    pub waiting: AtomicU64,
    /// Deliveries dropped because too many frames waited. Clients find them by listing.
    pub dropped: Counter,
    /// The time from a message to its answer, in microseconds.
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
