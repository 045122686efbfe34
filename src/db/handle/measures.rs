//! Database measurements for metrics and the admin API.

use crate::db::engine::sqlite::disk::DiskSpace;
use crate::metrics::Distribution;

use super::DbHandle;

/// Measurements since the start. Times are in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DbMeasures {
    /// Distribution of writes per transaction.
    pub group_sizes: Distribution,
    /// Time from the start of a transaction to the end of its commit.
    pub commit_time: Distribution,
    /// Time of a read once it runs.
    pub read_time: Distribution,
    /// Queued and running reads.
    pub reads: usize,
    /// Stored messages that are not yet handed to their rooms.
    pub undelivered: usize,
    /// Total connections of the pool.
    pub connections: u32,
    /// Idle connections of the pool.
    pub idle_connections: u32,
}

impl DbHandle {
    /// The largest message that the database accepts, in bytes; none if no request can exceed it.
    #[must_use]
    pub fn largest_message(&self) -> Option<usize> {
        self.0.largest.0
    }

    /// The disk of the database file; none for a database server.
    #[must_use]
    pub fn disk(&self) -> Option<DiskSpace> {
        self.0.disk.space()
    }

    /// Returns the measurements without asking the database.
    #[must_use]
    pub fn measures(&self) -> DbMeasures {
        let (counters, shared) = (&self.0.counters, &self.0);
        let (connections, idle_connections) = shared.pool.counts();
        DbMeasures {
            group_sizes: counters.group_sizes.get(),
            commit_time: counters.commit_time.get(),
            read_time: counters.read_time.get(),
            reads: shared.reads.len(),
            undelivered: shared.writer.queue.undelivered(),
            connections,
            idle_connections,
        }
    }
}
