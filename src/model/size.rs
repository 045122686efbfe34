//! The size of a database.

use std::time::Duration;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// The size of a database at its last measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredSize {
    /// Bytes of tables and indexes, including their free space.
    pub bytes: u64,
    /// Unused bytes; none for PostgreSQL, which does not report them.
    pub free_bytes: Option<u64>,
    /// Stored messages: counted in SQLite, estimated by database servers.
    pub messages: u64,
    /// The age of the oldest message; none if there is none.
    #[serde(rename = "oldestMessageSeconds", serialize_with = "seconds")]
    #[schema(value_type = Option<f64>)]
    pub oldest_message: Option<Duration>,
}

#[expect(clippy::ref_option, reason = "serde passes the field")]
fn seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64()).serialize(serializer)
}
