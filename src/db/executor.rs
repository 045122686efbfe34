//! The actor that owns the database: one thread that writes, a few that read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::prelude::*;
use diesel::r2d2::{ConnectionManager, PooledConnection};

use crate::ids::IdentityKey;

use super::connection::{DbConnection, DbPool};
use super::error::DbError;
use super::message::{Committed, MessagesStored, NewMessage, StoreOutcome, StoredMessage};
use super::message_store::{self, BoxIds};
use super::queue::{Write, WriteQueue};

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

/// Command: list a box.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<StoredMessage>, DbError>")]
pub(super) struct ListMessages {
    pub(super) recipient: IdentityKey,
    pub(super) message_box: String,
}

/// Command: say whether the database answers.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), DbError>")]
pub(super) struct Ping;

type Pooled = PooledConnection<ConnectionManager<DbConnection>>;

/// What the writer did with a group, before anybody is told.
enum Done {
    Store(StoreOutcome),
    Acknowledge(usize),
}

/// Runs on threads of its own ([`SyncArbiter`]): diesel blocks.
#[derive(Debug)]
pub(super) struct DbExecutor {
    pub(super) pool: DbPool,
    pub(super) queue: Arc<WriteQueue>,
    pub(super) counters: Arc<Counters>,
    pub(super) on_commit: Option<Recipient<MessagesStored>>,
    pub(super) max_group: usize,
    pub(super) boxes: BoxIds,
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
    fn commit(&mut self, group: Vec<Write>) {
        let now = message_store::now();
        match self.transact(&group, &now) {
            Ok(done) => self.reply(group, done, &now),
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

    fn transact(&mut self, group: &[Write], now: &str) -> Result<Vec<Done>, DbError> {
        let mut boxes = std::mem::take(&mut self.boxes);
        let result = self.guarded(|connection| {
            connection
                .immediate_transaction(|connection| {
                    let write = |write: &Write| match write {
                        Write::Store(message, _) => {
                            message_store::store(connection, &mut boxes, message, now)
                                .map(Done::Store)
                        }
                        Write::Acknowledge(recipient, ids, _) => {
                            message_store::acknowledge(connection, recipient, ids)
                                .map(Done::Acknowledge)
                        }
                        #[cfg(test)]
                        Write::Panic(_) => panic!("asked for by a test"),
                    };
                    group.iter().map(write).collect::<Result<Vec<Done>, _>>()
                })
                .map_err(DbError::from)
        });
        if result.is_err() {
            boxes.forget();
        }
        self.boxes = boxes;
        result
    }

    /// Everything here is durable. Replies go first, so that a sender's ack comes before its own delivery.
    fn reply(&self, group: Vec<Write>, done: Vec<Done>, now: &str) {
        let size = u64::try_from(group.len()).unwrap_or(u64::MAX);
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        self.counters.writes.fetch_add(size, Ordering::Relaxed);
        self.counters
            .largest_group
            .fetch_max(size, Ordering::Relaxed);
        let mut stored = Vec::new();
        for (write, done) in group.into_iter().zip(done) {
            match (write, done) {
                (Write::Store(message, reply), Done::Store(outcome)) => {
                    reply(Ok(outcome));
                    if outcome == StoreOutcome::Stored {
                        stored.push(committed(message, now));
                    }
                }
                (Write::Acknowledge(_, _, reply), Done::Acknowledge(count)) => reply(Ok(count)),
                (write, _) => write.fail(DbError::Panicked),
            }
        }
        if let Some(on_commit) = &self.on_commit
            && !stored.is_empty()
        {
            on_commit.do_send(MessagesStored::counted(stored, self.queue.announced()));
        }
    }
}

fn committed(message: NewMessage, now: &str) -> Committed {
    Committed {
        message,
        created_at: now.to_owned(),
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

impl Handler<ListMessages> for DbExecutor {
    type Result = Result<Vec<StoredMessage>, DbError>;

    fn handle(&mut self, command: ListMessages, _ctx: &mut Self::Context) -> Self::Result {
        self.guarded(|connection| {
            message_store::list(connection, &command.recipient, &command.message_box)
        })
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
