//! How long the database takes, and how much waits for it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::db::engine::disk::DiskSpace;
use crate::metrics::Distribution;

use super::DbHandle;

/// Measured since the start; times in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DbMeasures {
    /// Writes in a transaction.
    #[serde(rename = "groupSize")]
    pub group_sizes: Distribution,
    /// From the start of a transaction to the end of its commit.
    #[serde(rename = "commitMicros")]
    pub commit_time: Distribution,
    /// What a read takes once its turn has come.
    #[serde(rename = "readMicros")]
    pub read_time: Distribution,
    /// Reads that wait or are being made.
    pub reads: usize,
    /// Messages that are stored and were not handed to their rooms yet.
    pub undelivered: usize,
    /// Connections of the pool.
    pub connections: u32,
    /// Those of them that nobody uses.
    pub idle_connections: u32,
}

impl DbHandle {
    /// Bytes of the largest message that the database takes; none where a request could not reach it.
    #[must_use]
    pub fn largest_message(&self) -> Option<usize> {
        self.0.largest.0
    }

    /// The disk of the database's file; none where the database is a server.
    #[must_use]
    pub fn disk(&self) -> Option<DiskSpace> {
        self.0.disk.space()
    }

    /// What was measured; asks nobody.
    #[must_use]
    pub fn measures(&self) -> DbMeasures {
        let (counters, shared) = (&self.0.counters, &self.0);
        let (connections, idle_connections) = (shared.connections)();
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
