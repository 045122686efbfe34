//! How much a database holds.

use std::time::Duration;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// How much there is, as it was found when the database was last asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredSize {
    /// Bytes of its tables and indexes, free space in them included.
    pub bytes: u64,
    /// Bytes of it that nothing uses; PostgreSQL does not say.
    pub free_bytes: Option<u64>,
    /// Messages that are stored: counted in SQLite, estimated by the servers.
    pub messages: u64,
    /// How long the oldest of them has been stored; none: there is none.
    #[serde(rename = "oldestMessageSeconds", serialize_with = "seconds")]
    #[schema(value_type = Option<f64>)]
    pub oldest_message: Option<Duration>,
}

#[expect(clippy::ref_option, reason = "serde passes the field")]
fn seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64()).serialize(serializer)
}
