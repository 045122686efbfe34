//! The way to the database for everybody else: admits, detaches and counts.

mod devices;
mod measures;
mod missed;
mod payments;
mod permissions;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::prelude::*;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::ids::IdentityKey;

pub use measures::DbMeasures;

use super::any_connection::AnyConnection;
use super::clock::Now;
use super::command::{self, Command};
use super::connection::{DbPool, DbSettings, open};
use super::error::DbError;
use super::executor::{self, CommitWaiting, Counters, DbExecutor, Migrate, Ping, Read};
use super::expiry::DeleteExpired;
use super::fees::DeliveryFees;
use super::file::DatabaseFile;
use super::largest_message::LargestMessage;
use super::message::{ListBound, MessagePage, MessagesStored, NewMessage, Page};
use super::message_list::{self, ListQuery};
use super::message_store::{Acknowledge, BoxIds};
use super::missed as missed_messages;
use super::page_marks::PageMarks;
use super::probe::ProbeWrite;
use super::queue::WriteQueue;
use super::reads::ReadQueue;
use super::submission::{self, Submission, SubmitOutcome};

/// Counts of the persistence layer since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
    reads: Arc<ReadQueue>,
    start_writer: Box<dyn Fn() -> Addr<DbExecutor> + Send + Sync>,
    /// Connections, and those of them that do nothing.
    connections: Box<dyn Fn() -> (u32, u32) + Send + Sync>,
    fees: DeliveryFees,
    message_ttl: Option<Duration>,
    page_marks: Arc<PageMarks>,
    largest: LargestMessage,
    first_message_id: i64,
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
        let (first_message_id, largest) = match pool.get() {
            Ok(mut pooled) => (
                // Tables that are not there yet have no messages.
                missed_messages::last_id(&mut pooled).unwrap_or(0),
                LargestMessage::of(&mut pooled).unwrap_or_default(),
            ),
            Err(_) => (0, LargestMessage::default()),
        };
        let file = Arc::new(DatabaseFile::of(&settings.url)?);
        let queue = Arc::new(WriteQueue::new(
            settings.max_queued_writes,
            settings.max_queued_bytes,
        ));
        let counters = Arc::new(Counters::default());
        let fees = DeliveryFees::new(
            settings.delivery_fees.clone(),
            settings.delivery_fee_per_recipient,
        );
        let message_ttl = settings.message_ttl;
        let executor = {
            let fees = fees.clone();
            let (queue, counters) = (Arc::clone(&queue), Arc::clone(&counters));
            let (max_group, tells_ids) = (settings.max_group.max(1), settings.tells_ids);
            move |pool: &DbPool, on_commit: Option<Recipient<MessagesStored>>| DbExecutor {
                pool: pool.clone(),
                file: Arc::clone(&file),
                queue: Arc::clone(&queue),
                counters: Arc::clone(&counters),
                on_commit,
                max_group,
                boxes: BoxIds::default(),
                fees: fees.clone(),
                message_ttl,
                tells_ids,
            }
        };
        let readers = {
            let (executor, pool) = (executor.clone(), pool.clone());
            SyncArbiter::start(settings.read_threads.get(), move || executor(&pool, None))
        };
        let connections = {
            let pool = pool.clone();
            move || (pool.state().connections, pool.state().idle_connections)
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
            reads: ReadQueue::new(settings.max_queued_reads, settings.read_threads),
            start_writer: Box::new(start_writer),
            connections: Box::new(connections),
            fees,
            message_ttl,
            page_marks: Arc::default(),
            largest,
            first_message_id,
        })))
    }

    /// Hands messages in. `reply` is called on the writer's thread after the commit, in the order of commits; at once
    /// when the write may not wait. Nothing that happens to the caller takes the write back.
    pub fn submit(
        &self,
        submission: Submission,
        reply: impl FnOnce(Result<SubmitOutcome, DbError>) + Send + 'static,
    ) {
        match self.0.largest.check(&submission.messages) {
            Ok(()) => self.write(submission, reply),
            Err(error) => reply(Err(error)),
        }
    }

    /// What would come of these messages, without storing them: [`SubmitOutcome::Stored`] when they are already,
    /// `Blocked`, or `Due` with what they cost, which may be nothing.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn inspect(&self, messages: Vec<NewMessage>) -> Result<SubmitOutcome, DbError> {
        self.0.largest.check(&messages)?;
        let (fees, ttl) = (self.0.fees.clone(), self.0.message_ttl);
        let sender = messages.first().map(|message| message.sender);
        self.read(sender, move |connection| {
            submission::inspect(connection, &fees, &messages, &Now::read(ttl))
        })
        .await
    }

    /// Deletes messages of this recipient; says how many there were. Dropping the future takes nothing back.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn acknowledge(
        &self,
        recipient: IdentityKey,
        mut message_ids: Vec<String>,
    ) -> Result<usize, DbError> {
        message_ids.retain(|id| may_be_stored(id));
        let command = Acknowledge {
            recipient,
            message_ids,
        };
        self.run(command).await
    }

    /// The messages of a box, in the order in which they were stored unless the page says otherwise, as far as they fit into
    /// the bound.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn list(
        &self,
        recipient: IdentityKey,
        message_box: String,
        page: Page,
        bound: ListBound,
    ) -> Result<MessagePage, DbError> {
        let names = page.message_id.iter().chain([&message_box]);
        if !names.map(String::as_str).all(may_be_stored) {
            return Ok(MessagePage::default());
        }
        let (ttl, marks) = (self.0.message_ttl, Arc::clone(&self.0.page_marks));
        self.read(Some(recipient), move |connection| {
            let query = ListQuery {
                recipient: &recipient,
                message_box: &message_box,
                page: &page,
                bound: &bound,
                mark: marks.take(recipient, &message_box),
                now: &Now::read(ttl),
            };
            let (listed, next) = message_list::list(connection, &query)?;
            if let Some(next) = next {
                marks.keep(recipient, message_box, next);
            }
            Ok(listed)
        })
        .await
    }

    /// Deletes up to `max` messages that are past their time; says how many it were.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_expired(&self, max: i64) -> Result<usize, DbError> {
        self.run(DeleteExpired { max }).await
    }

    /// Brings the tables up to date; gives the names of the migrations that were applied.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn migrate(&self) -> Result<Vec<String>, DbError> {
        self.writer()
            .send(Migrate)
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

    /// Whether something can be stored and read now: commits a write that leaves nothing, behind those that wait.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn probe(&self) -> Result<(), DbError> {
        self.run(ProbeWrite).await?;
        self.read(None, executor::answers).await
    }

    /// Counts since the start.
    #[must_use]
    pub fn status(&self) -> DbStatus {
        let counters = &self.0.counters;
        DbStatus {
            queued_writes: self.0.queue.len(),
            commits: counters.commits.load(Ordering::Relaxed),
            writes: counters.writes.load(Ordering::Relaxed),
            stored: counters.stored.load(Ordering::Relaxed),
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

    fn write<C: Command>(
        &self,
        command: C,
        reply: impl FnOnce(Result<C::Output, DbError>) + Send + 'static,
    ) {
        if self.0.queue.push(command::write(command, reply)) {
            self.tell_writer();
        }
    }

    /// Runs a command and waits. Dropping the future takes nothing back.
    async fn run<C: Command>(&self, command: C) -> Result<C::Output, DbError> {
        let (sender, receiver) = oneshot::channel();
        self.write(command, move |result| drop(sender.send(result)));
        receiver.await.unwrap_or(Err(DbError::Closed))
    }

    /// Reads for `owner`: each has its turn, however much others read. A read that is being done keeps its place when
    /// nobody waits for it any more.
    async fn read<T: Send + 'static>(
        &self,
        owner: Option<IdentityKey>,
        read: impl FnOnce(&mut AnyConnection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        let place = self.0.reads.take(owner)?;
        let turn = place.turn().await;
        let read = move |connection: &mut AnyConnection| {
            let _held = (place, turn);
            read(connection)
        };
        self.0
            .readers
            .send(Read(Box::new(read)))
            .await
            .unwrap_or(Err(DbError::Closed))
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

/// What is never stored is not asked for: PostgreSQL takes no text with U+0000.
fn may_be_stored(name: &str) -> bool {
    !name.contains('\0')
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
