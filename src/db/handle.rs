//! The way to the database for everybody else: admits, detaches and counts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::prelude::*;
use serde::Serialize;
use tokio::sync::{Semaphore, oneshot};

use crate::ids::IdentityKey;

use super::connection::{DbPool, DbSettings, open};
use super::error::DbError;
use super::executor::{CommitWaiting, Counters, DbExecutor, ListMessages, Ping};
use super::message::{MessagesStored, NewMessage, StoreOutcome, StoredMessage};
use super::message_store::BoxIds;
use super::queue::{Write, WriteQueue};

/// Reads that may wait for each reading thread.
const QUEUED_READS_PER_THREAD: usize = 256;

/// Counts of the persistence layer since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DbStatus {
    /// Writes that wait.
    pub queued_writes: usize,
    /// Transactions committed.
    pub commits: u64,
    /// Writes in them.
    pub writes: u64,
    /// Writes in the largest of them.
    pub largest_group: u64,
    /// Writes that failed.
    pub failures: u64,
    /// Panics that were contained.
    pub panics: u64,
}

struct Shared {
    queue: Arc<WriteQueue>,
    counters: Arc<Counters>,
    /// Set while the writer has been told that something waits and has not yet answered.
    told: Arc<AtomicBool>,
    writer: Mutex<Addr<DbExecutor>>,
    readers: Addr<DbExecutor>,
    reads: Semaphore,
    start_writer: Box<dyn Fn() -> Addr<DbExecutor> + Send + Sync>,
}

/// A handle on the database; cheap to clone.
#[derive(Clone)]
pub struct DbHandle(Arc<Shared>);

impl std::fmt::Debug for DbHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DbHandle").field(&self.status()).finish()
    }
}

impl DbHandle {
    /// Opens the database, brings it up to date and starts the actors. `on_commit` hears of every message
    /// that was made durable, in order.
    ///
    /// # Errors
    /// [`DbError::Open`].
    pub fn open(
        settings: &DbSettings,
        on_commit: Option<Recipient<MessagesStored>>,
    ) -> Result<Self, DbError> {
        let pool = open(settings)?;
        let queue = Arc::new(WriteQueue::new(settings.max_queued_writes));
        let counters = Arc::new(Counters::default());
        let executor = {
            let (queue, counters) = (Arc::clone(&queue), Arc::clone(&counters));
            let max_group = settings.max_group.max(1);
            move |pool: &DbPool, on_commit: Option<Recipient<MessagesStored>>| DbExecutor {
                pool: pool.clone(),
                queue: Arc::clone(&queue),
                counters: Arc::clone(&counters),
                on_commit,
                max_group,
                boxes: BoxIds::default(),
            }
        };
        let readers = {
            let (executor, pool) = (executor.clone(), pool.clone());
            SyncArbiter::start(settings.read_threads.get(), move || executor(&pool, None))
        };
        let start_writer = move || {
            let (executor, pool, on_commit) = (executor.clone(), pool.clone(), on_commit.clone());
            // One thread: its order is the order of everything.
            SyncArbiter::start(1, move || executor(&pool, on_commit.clone()))
        };
        Ok(Self(Arc::new(Shared {
            queue,
            counters,
            told: Arc::default(),
            writer: Mutex::new(start_writer()),
            readers,
            reads: Semaphore::new(settings.read_threads.get() * QUEUED_READS_PER_THREAD),
            start_writer: Box::new(start_writer),
        })))
    }

    /// Stores a message. `reply` is called on the writer's thread after the commit, in the order of commits;
    /// at once when the write may not wait. Nothing that happens to the caller takes the write back.
    pub fn store(
        &self,
        message: NewMessage,
        reply: impl FnOnce(Result<StoreOutcome, DbError>) + Send + 'static,
    ) {
        self.write(Write::Store(message, Box::new(reply)));
    }

    /// Deletes messages of this recipient; says how many there were. Dropping the future takes nothing back.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn acknowledge(
        &self,
        recipient: IdentityKey,
        message_ids: Vec<String>,
    ) -> Result<usize, DbError> {
        let (sender, receiver) = oneshot::channel();
        let reply = move |result| drop(sender.send(result));
        self.write(Write::Acknowledge(recipient, message_ids, Box::new(reply)));
        receiver.await.unwrap_or(Err(DbError::Closed))
    }

    /// The messages of a box, in the order in which they were stored.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn list(
        &self,
        recipient: IdentityKey,
        message_box: String,
    ) -> Result<Vec<StoredMessage>, DbError> {
        let _permit = self
            .0
            .reads
            .try_acquire()
            .map_err(|_| DbError::Overloaded)?;
        let command = ListMessages {
            recipient,
            message_box,
        };
        self.0
            .readers
            .send(command)
            .await
            .unwrap_or(Err(DbError::Closed))
    }

    /// Asks the writer and a reader whether the database answers, for at most `deadline`.
    ///
    /// # Errors
    /// [`DbError`]; a writer that is gone for good is replaced.
    pub async fn ping(&self, deadline: Duration) -> Result<(), DbError> {
        let writer = self.writer();
        let both = async {
            writer.send(Ping).await.unwrap_or(Err(DbError::Closed))?;
            self.0
                .readers
                .send(Ping)
                .await
                .unwrap_or(Err(DbError::Closed))
        };
        let answer = tokio::time::timeout(deadline, both).await;
        if matches!(answer, Ok(Err(DbError::Closed))) {
            self.restart_writer();
        }
        answer.unwrap_or_else(|_| Err(DbError::Unavailable("no answer in time".to_owned())))
    }

    /// Counts since the start.
    #[must_use]
    pub fn status(&self) -> DbStatus {
        let counters = &self.0.counters;
        DbStatus {
            queued_writes: self.0.queue.len(),
            commits: counters.commits.load(Ordering::Relaxed),
            writes: counters.writes.load(Ordering::Relaxed),
            largest_group: counters.largest_group.load(Ordering::Relaxed),
            failures: counters.failures.load(Ordering::Relaxed),
            panics: counters.panics.load(Ordering::Relaxed),
        }
    }

    /// Takes no more writes, and waits until those that were admitted are answered.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when that takes longer than `deadline`.
    pub async fn close(&self, deadline: Duration) -> Result<(), DbError> {
        self.0.queue.close();
        // The writer handles commands in order: what was admitted is done when it answers.
        let done = async {
            let _ = self.writer().send(CommitWaiting).await;
        };
        let late = |_| DbError::Unavailable("writes are still waiting".to_owned());
        tokio::time::timeout(deadline, done).await.map_err(late)
    }

    fn write(&self, write: Write) {
        if self.0.queue.push(write) {
            self.tell_writer();
        }
    }

    /// Wakes the writer. While it is busy, one more command waits for it and not one for each write.
    fn tell_writer(&self) {
        if self.0.told.swap(true, Ordering::AcqRel) {
            return;
        }
        let told = Arc::clone(&self.0.told);
        self.writer().do_send(Wake(told));
    }

    fn writer(&self) -> Addr<DbExecutor> {
        self.0
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn restart_writer(&self) {
        log::error!("the database writer is gone; starting another");
        let mut writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        *writer = (self.0.start_writer)();
        // Whoever was to wake the old one has been in vain.
        self.0.told.store(false, Ordering::Release);
        writer.do_send(CommitWaiting);
    }
}

/// Command: something waits. Clears its flag before it looks, so that nothing is overlooked.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Wake(Arc<AtomicBool>);

impl Handler<Wake> for DbExecutor {
    type Result = ();

    fn handle(&mut self, Wake(told): Wake, ctx: &mut Self::Context) {
        told.store(false, Ordering::Release);
        Handler::<CommitWaiting>::handle(self, CommitWaiting, ctx);
    }
}

#[cfg(test)]
mod tests;
