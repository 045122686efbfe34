//! How much a database holds.

use std::time::Duration;

/// How much there is, as it was found when the database was last asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoredSize {
    /// Bytes of its tables and indexes, free space in them included.
    pub bytes: u64,
    /// Bytes of it that nothing uses; PostgreSQL does not say.
    pub free_bytes: Option<u64>,
    /// Messages that are stored: counted in SQLite, estimated by the servers.
    pub messages: u64,
    /// How long the oldest of them has been stored; none: there is none.
    pub oldest_message: Option<Duration>,
}
