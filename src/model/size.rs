//! The size of a database.

use std::time::Duration;

/// The size of a database at its last measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoredSize {
    /// Bytes of tables and indexes, including their free space.
    pub bytes: u64,
    /// Unused bytes; none for PostgreSQL, which does not report them.
    pub free_bytes: Option<u64>,
    /// Stored messages: counted in SQLite, estimated by database servers.
    pub messages: u64,
    /// The age of the oldest message; none if there is none.
    pub oldest_message: Option<Duration>,
}
