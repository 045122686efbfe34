//! Database measurements for metrics and the admin API.

use std::sync::atomic::Ordering;

use serde::Serialize;
use utoipa::ToSchema;

use crate::db::engine::sqlite::disk::DiskSpace;
use crate::metrics::Distribution;

use super::DbHandle;

/// Counts of the persistence layer since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DbStatus {
    /// Queued writes.
    pub queued_writes: usize,
    /// Committed transactions.
    pub commits: u64,
    /// Writes in the committed transactions.
    pub writes: u64,
    /// Stored messages.
    pub stored: u64,
    /// Writes in the largest transaction.
    #[serde(skip)]
    pub largest_group: u64,
    /// Failed writes.
    pub failures: u64,
    /// Panics that were caught.
    #[serde(skip)]
    pub panics: u64,
}

/// Measurements since the start. Times are in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DbMeasures {
    /// Distribution of writes per transaction.
    #[serde(rename = "groupSize")]
    pub group_sizes: Distribution,
    /// Time from the start of a transaction to the end of its commit.
    #[serde(rename = "commitMicros")]
    pub commit_time: Distribution,
    /// Time of a read once it runs.
    #[serde(rename = "readMicros")]
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

    /// Counts since the start.
    #[must_use]
    pub fn status(&self) -> DbStatus {
        let counters = &self.0.counters;
        DbStatus {
            queued_writes: self.0.writer.queue.len(),
            commits: counters.commits.load(Ordering::Relaxed),
            writes: counters.writes.load(Ordering::Relaxed),
            stored: counters.stored.load(Ordering::Relaxed),
            largest_group: counters.largest_group.load(Ordering::Relaxed),
            failures: counters.failures.load(Ordering::Relaxed),
            panics: counters.panics.load(Ordering::Relaxed),
        }
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
