//! How long the database takes, and how much waits for it.

use std::sync::atomic::Ordering;

use serde::Serialize;
use utoipa::ToSchema;

use crate::db::engine::disk::DiskSpace;
use crate::metrics::Distribution;

use super::DbHandle;

/// Counts of the persistence layer since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DbStatus {
    /// Writes that wait.
    pub queued_writes: usize,
    /// Transactions committed.
    pub commits: u64,
    /// Writes in them.
    pub writes: u64,
    /// Messages stored.
    pub stored: u64,
    /// Writes in the largest of them.
    #[serde(skip)]
    pub largest_group: u64,
    /// Writes that failed.
    pub failures: u64,
    /// Panics that were contained.
    #[serde(skip)]
    pub panics: u64,
}

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
