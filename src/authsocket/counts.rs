//! Counts of all sockets: of events from clients and of answers to them, never of deliveries.

use serde::Serialize;
use utoipa::ToSchema;

use crate::metrics::{CodeCounts, Counter, Histogram};

/// Counts of all sockets since the start.
#[derive(Debug, Default, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventCounts {
    /// Auth messages that were refused: malformed, forged, replayed, of no session, with certificates that do not fit.
    #[serde(rename = "refusedFrames")]
    pub refused: Counter,
    /// Those of them that had come before.
    #[serde(skip)]
    pub replayed: Counter,
    /// Frames held for a revival or until certificates come.
    #[serde(rename = "heldFrames")]
    pub held: Counter,
    /// Sockets that have proven an identity.
    #[serde(skip)]
    pub proven: Counter,
    /// Verified events by name; events of other applications count as `unknown`.
    #[serde(rename = "received")]
    #[schema(value_type = BTreeMap<String, u64>)]
    pub events: CodeCounts,
    /// Events that were sent as answers.
    pub answers: Counter,
    /// Messages that were acknowledged.
    pub acks: Counter,
    /// Messages that were refused, by reason.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub failures: CodeCounts,
    /// Frames that wait until their socket's client can verify them.
    #[serde(rename = "waitingFrames")]
    pub waiting: Counter,
    /// Deliveries for which there was no more room there. They are in the list.
    #[serde(rename = "droppedDeliveries")]
    pub dropped: Counter,
    /// From a message to its answer, in microseconds.
    #[serde(rename = "answerMicros")]
    pub answer_time: Histogram,
}
