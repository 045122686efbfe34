//! The actor that owns the database: one thread that writes, a few that read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::prelude::*;
use diesel::r2d2::{ConnectionManager, PooledConnection};

use super::clock::Now;
use super::command::{Work, Write};
use super::connection::{self, DbConnection, DbPool};
use super::error::DbError;
use super::fees::DeliveryFees;
use super::message::{Committed, MessagesStored};
use super::message_store::BoxIds;
use super::queue::WriteQueue;

/// Counts that the executor keeps and the handle reports.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) commits: AtomicU64,
    pub(super) writes: AtomicU64,
    pub(super) largest_group: AtomicU64,
    pub(super) panics: AtomicU64,
    pub(super) failures: AtomicU64,
}

/// Command: commit what waits.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct CommitWaiting;

/// Command: read something.
pub(super) struct Read<T>(pub(super) Reading<T>);

type Reading<T> = Box<dyn FnOnce(&mut DbConnection) -> Result<T, DbError> + Send>;

impl<T: Send + 'static> Message for Read<T> {
    type Result = Result<T, DbError>;
}

/// Command: bring the tables up to date; gives the names of what was applied.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<String>, DbError>")]
pub(super) struct Migrate;

/// Command: say whether the database answers.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), DbError>")]
pub(super) struct Ping;

type Pooled = PooledConnection<ConnectionManager<DbConnection>>;

/// Runs on threads of its own ([`SyncArbiter`]): diesel blocks.
#[derive(Debug)]
pub(super) struct DbExecutor {
    pub(super) pool: DbPool,
    pub(super) queue: Arc<WriteQueue>,
    pub(super) counters: Arc<Counters>,
    pub(super) on_commit: Option<Recipient<MessagesStored>>,
    pub(super) max_group: usize,
    pub(super) boxes: BoxIds,
    pub(super) fees: DeliveryFees,
    pub(super) message_ttl: Option<Duration>,
}

impl DbExecutor {
    fn connection(&self) -> Result<Pooled, DbError> {
        self.pool
            .get()
            .map_err(|error| DbError::Unavailable(error.to_string()))
    }

    /// Runs a store function behind a boundary that no panic crosses: one would end this thread for good,
    /// and nobody could tell from the address.
    fn guarded<T>(
        &self,
        work: impl FnOnce(&mut DbConnection) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        let mut connection = self.connection()?;
        let result = catch_unwind(AssertUnwindSafe(|| work(&mut connection)));
        result.unwrap_or_else(|_| {
            self.counters.panics.fetch_add(1, Ordering::Relaxed);
            log::error!("a database operation panicked; it was answered with a failure");
            Err(DbError::Panicked)
        })
    }

    /// Commits one group and tells everybody. A group that fails is tried again write by write, so that one
    /// bad write fails alone.
    fn commit(&mut self, mut group: Vec<Box<dyn Write>>) {
        let now = Now::read(self.message_ttl);
        match self.transact(&mut group, &now) {
            Ok(()) => self.reply(group, &now),
            Err(error) if group.len() == 1 => {
                self.counters.failures.fetch_add(1, Ordering::Relaxed);
                log::error!("a write failed: {error}");
                for write in group {
                    write.fail(error.clone());
                }
            }
            Err(error) => {
                log::warn!(
                    "a group of {} writes failed ({error}); trying one by one",
                    group.len()
                );
                for write in group {
                    self.commit(vec![write]);
                }
            }
        }
    }

    fn transact(&mut self, group: &mut [Box<dyn Write>], now: &Now) -> Result<(), DbError> {
        let mut boxes = std::mem::take(&mut self.boxes);
        let fees = self.fees.clone();
        let result = self.guarded(|connection| {
            connection
                .immediate_transaction(|connection| {
                    let mut work = Work {
                        connection,
                        boxes: &mut boxes,
                        now,
                        fees: &fees,
                    };
                    group.iter_mut().try_for_each(|write| write.run(&mut work))
                })
                .map_err(|error: diesel::result::Error| DbError::from(error))
        });
        if result.is_err() {
            boxes.forget();
        }
        self.boxes = boxes;
        result
    }

    /// Everything here is durable. Replies go first, so that a sender's ack comes before its own delivery.
    fn reply(&self, group: Vec<Box<dyn Write>>, now: &Now) {
        let size = u64::try_from(group.len()).unwrap_or(u64::MAX);
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        self.counters.writes.fetch_add(size, Ordering::Relaxed);
        self.counters
            .largest_group
            .fetch_max(size, Ordering::Relaxed);
        let stored: Vec<Committed> = group
            .into_iter()
            .flat_map(Write::committed)
            .map(|message| Committed {
                message,
                created_at: now.text.clone(),
            })
            .collect();
        if let Some(on_commit) = &self.on_commit
            && !stored.is_empty()
        {
            on_commit.do_send(MessagesStored::counted(stored, self.queue.announced()));
        }
    }
}

impl Actor for DbExecutor {
    type Context = SyncContext<Self>;
}

impl Handler<CommitWaiting> for DbExecutor {
    type Result = ();

    fn handle(&mut self, _: CommitWaiting, _ctx: &mut Self::Context) {
        loop {
            let group = self.queue.take(self.max_group);
            if group.is_empty() {
                return;
            }
            self.commit(group);
        }
    }
}

impl<T: Send + 'static> Handler<Read<T>> for DbExecutor {
    type Result = Result<T, DbError>;

    fn handle(&mut self, Read(read): Read<T>, _ctx: &mut Self::Context) -> Self::Result {
        self.guarded(read)
    }
}

impl Handler<Migrate> for DbExecutor {
    type Result = Result<Vec<String>, DbError>;

    fn handle(&mut self, _: Migrate, _ctx: &mut Self::Context) -> Self::Result {
        self.guarded(connection::migrate)
    }
}

impl Handler<Ping> for DbExecutor {
    type Result = Result<(), DbError>;

    fn handle(&mut self, _: Ping, _ctx: &mut Self::Context) -> Self::Result {
        self.guarded(|connection| {
            use diesel::RunQueryDsl as _;
            diesel::sql_query("SELECT 1").execute(connection)?;
            Ok(())
        })
    }
}
