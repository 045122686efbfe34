//! Counts of a node since its start.

use serde::Serialize;
use utoipa::ToSchema;

/// What this node exchanged with the others. Each node counts an event once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
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

/// What Redis said about the nonces of HTTP requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
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

pub(super) fn add(counter: &mut u64, count: usize) {
    *counter += u64::try_from(count).unwrap_or(u64::MAX);
}
