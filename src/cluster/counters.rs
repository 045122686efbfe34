//! What goes on between the nodes, as numbers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::Serialize;
use utoipa::ToSchema;

/// Counts since the start. Events count once for each node.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) connected: AtomicBool,
    pub(super) reconnects: AtomicU64,
    pub(super) published: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) delivered: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) caught_up: AtomicU64,
}

/// What goes on between this node and the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// Whether Redis answers.
    pub connected: bool,
    /// Connections after the first.
    pub reconnects: u64,
    /// Events that Redis has taken of this node.
    pub published: u64,
    /// Events that came from other nodes.
    pub received: u64,
    /// Those of them that were not delivered before.
    pub delivered: u64,
    /// What was published and is no event of a node: forged, repeated, or of another version.
    pub refused: u64,
    /// Events that had no room on their way, in or out; they are read from the database later.
    pub dropped: u64,
    /// Events for other nodes that had no room even there: their recipients find them by listing.
    pub lost: u64,
    /// Events that were read from the database and delivered, here or to other nodes.
    pub caught_up: u64,
}

/// Counts since the start: nonces of requests.
#[derive(Debug, Default)]
pub(super) struct NonceCounters {
    pub(super) connected: AtomicBool,
    pub(super) checked: AtomicU64,
    pub(super) repeated: AtomicU64,
    pub(super) unchecked: AtomicU64,
    pub(super) forgotten: AtomicU64,
}

/// What this node and the others tell each other of requests that were served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NonceStatus {
    /// Whether Redis answers in time.
    pub connected: bool,
    /// Requests of which Redis said whether a node had served them.
    pub checked: u64,
    /// Those that one had.
    pub repeated: u64,
    /// Requests of which that was not known, because Redis did not answer in time.
    pub unchecked: u64,
    /// Those that Redis is told of once it is back.
    pub waiting: usize,
    /// Those for which there was no room to remember them until then.
    pub forgotten: u64,
}

impl NonceCounters {
    pub(super) fn status(&self, waiting: usize) -> NonceStatus {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        NonceStatus {
            connected: self.connected.load(Ordering::Acquire),
            checked: read(&self.checked),
            repeated: read(&self.repeated),
            unchecked: read(&self.unchecked),
            waiting,
            forgotten: read(&self.forgotten),
        }
    }
}

pub(super) fn add(counter: &AtomicU64, count: usize) {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn status(&self) -> ClusterStatus {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ClusterStatus {
            connected: self.connected.load(Ordering::Acquire),
            reconnects: read(&self.reconnects),
            published: read(&self.published),
            received: read(&self.received),
            delivered: read(&self.delivered),
            refused: read(&self.refused),
            dropped: read(&self.dropped),
            lost: read(&self.lost),
            caught_up: read(&self.caught_up),
        }
    }
}
