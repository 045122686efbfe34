//! Counts of a node since its start.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counts of events. Each node counts an event once.
#[derive(Debug, Default)]
pub(super) struct ClusterCounters {
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

/// What this node exchanged with the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClusterStatus {
    /// Whether Redis answers now.
    pub connected: bool,
    /// Connections after the first one.
    pub reconnects: u64,
    /// Events of this node that Redis has confirmed.
    pub published: u64,
    /// Events that came from other nodes.
    pub received: u64,
    /// Received events that were not delivered before.
    pub delivered: u64,
    /// Messages in our channels that are not valid events: forged, repeated, or of another version.
    pub refused: u64,
    /// Events without room in a queue, in or out. They are read from the database later.
    pub dropped: u64,
    /// Dropped events that could not even be noted. Their recipients find them by listing.
    pub lost: u64,
    /// Events read from the database and delivered, here or to other nodes.
    pub caught_up: u64,
}

/// Counts of the nonces of HTTP requests.
#[derive(Debug, Default)]
pub(super) struct NonceCounters {
    pub(super) connected: AtomicBool,
    pub(super) checked: AtomicU64,
    pub(super) repeated: AtomicU64,
    pub(super) unchecked: AtomicU64,
    pub(super) forgotten: AtomicU64,
}

/// What Redis said about the nonces of HTTP requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NonceStatus {
    /// Whether Redis answers in time.
    pub connected: bool,
    /// Requests that Redis checked against those of all nodes.
    pub checked: u64,
    /// Checked requests that a node had served before.
    pub repeated: u64,
    /// Requests that were not checked, because Redis did not answer in time.
    pub unchecked: u64,
    /// Unchecked requests that Redis will receive once it is back.
    pub waiting: usize,
    /// Unchecked requests that could not be kept until then.
    pub forgotten: u64,
}

impl NonceCounters {
    pub(super) fn status(&self, waiting: usize) -> NonceStatus {
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

impl ClusterCounters {
    pub(super) fn status(&self) -> ClusterStatus {
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

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

pub(super) fn add(counter: &AtomicU64, count: usize) {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    counter.fetch_add(count, Ordering::Relaxed);
}
