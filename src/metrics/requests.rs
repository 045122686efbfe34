//! What the HTTP layer counts and measures.

use serde::Serialize;
use utoipa::ToSchema;

use super::{CodeCounts, Counter, Histogram, KeyedCounts};

/// Counts and latencies of HTTP requests.
#[derive(Debug, Default, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestCounts {
    /// Answered requests by route and status class, such as `2xx`.
    #[serde(rename = "requests")]
    #[schema(value_type = BTreeMap<String, BTreeMap<String, u64>>)]
    pub answered: KeyedCounts<(&'static str, &'static str)>,
    /// Failed requests by error code.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub failures: CodeCounts,
    /// Connections that ended by an error of the client: `tls` (a TLS handshake on a plain port), `bad_request`,
    /// `head_too_large`, `timeout`, `disconnected`.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub connection_errors: CodeCounts,
    /// Microseconds from a request to its answer, Engine.IO excluded.
    #[serde(rename = "answerMicros")]
    pub time: Histogram,
    /// Requests with a nonce that was used before.
    #[serde(skip)]
    pub replayed: Counter,
    /// Microseconds by which a worker was late for a timer.
    #[serde(rename = "workerDelayMicros")]
    pub worker_delay: Histogram,
    /// Microseconds of CPU that the worker itself used during such a delay.
    #[serde(rename = "workerBusyMicros")]
    pub worker_busy: Histogram,
    /// Messages that a list named in `oversized` because they are larger than a page. Each list counts them again.
    pub oversized: Counter,
}
