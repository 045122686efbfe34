//! The actor that owns the database: one thread writes, several read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix::prelude::*;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::Now;
use crate::db::engine::connect::pool::DbPool;
use crate::db::engine::error::DbError;
use crate::db::engine::migrations;
use crate::db::engine::sqlite::file_identity::DatabaseFile;
use crate::db::engine::transaction::{self, Begin, WriteFailure, WriteLock};
use crate::db::store::command::WriteScope;
use crate::db::store::fees::DeliveryFees;
use crate::db::store::messages::box_ids::{BoxIds, Retention};
use crate::db::store::messages::catch_up_query::NewestIds;
use crate::db::store::sessions::session_step::SessionSteps;
use crate::db::store::totals::changes::TotalChanges;
use crate::db::store::upkeep::write_probe::WriteProbe;
use crate::live::Live;
use crate::metrics::Histogram;
use crate::model::{NewMessage, Quotas};
use crate::panics;

use super::committed::{Committed, MessagesStored};
use super::group;
use super::queue::WriteQueue;
use super::queued_write::QueuedWrite;

/// Pauses before each retry of a transaction that collided, in milliseconds.
const COLLISION_PAUSES: [u64; 6] = [5, 10, 20, 50, 100, 200];

/// Counters that the executor updates and the handle reports.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) stored: AtomicU64,
    pub(crate) largest_group: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) group_sizes: Histogram,
    /// Time from the start of a transaction to the end of its commit, in microseconds.
    pub(crate) commit_time: Histogram,
    /// Time of a read once it runs, in microseconds.
    pub(crate) read_time: Histogram,
}

/// Command: commit the queued writes.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct CommitQueued;

/// Command: run a read.
pub(crate) struct ReadCommand<T>(pub(crate) Reading<T>);

/// May run twice: a read is retried if its connection was lost.
type Reading<T> = Box<dyn FnMut(&mut AnyConnection) -> Result<T, DbError> + Send>;

impl<T: Send + 'static> Message for ReadCommand<T> {
    type Result = Result<T, DbError>;
}

/// Command: apply pending migrations and return their names.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<String>, DbError>")]
pub(crate) struct ApplyMigrations;

/// Command: check that the database responds.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), DbError>")]
pub(crate) struct Ping;

/// Runs on its own threads ([`SyncArbiter`]), because diesel blocks.
#[derive(Debug, Clone)]
pub(crate) struct DbExecutor {
    pub(crate) pool: DbPool,
    pub(crate) file: Arc<DatabaseFile>,
    pub(crate) queue: Arc<WriteQueue>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) on_commit: Option<Recipient<MessagesStored>>,
    pub(crate) max_group: usize,
    pub(crate) boxes: BoxIds,
    pub(crate) fees: DeliveryFees,
    pub(crate) message_ttl: Option<Duration>,
    pub(crate) retention: Retention,
    pub(crate) quotas: Live<Quotas>,
    /// Whether notices carry message ids.
    pub(crate) returns_ids: bool,
    pub(crate) lock: WriteLock,
    pub(crate) begins_at_once: bool,
    /// Minimum life of a request claim, in milliseconds.
    pub(crate) claim_ms: i64,
}

impl DbExecutor {
    /// Runs a store function and contains its panics. A panic would end this thread, and the address would not show it.
    fn guarded<T, E: From<DbError>>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        panics::contain("DbExecutor", work).unwrap_or_else(|| {
            self.counters.panics.fetch_add(1, Ordering::Relaxed);
            Err(DbError::Panicked.into())
        })
    }

    /// Commits one group and sends its replies. If one write fails, the group is split in halves until that write fails
    /// alone. If the database fails, all writes fail at once: one by one, they would wait for as many timeouts.
    fn commit(&mut self, group: Vec<QueuedWrite>) {
        let now = Now::read(self.message_ttl);
        // The last part is the next one.
        let mut parts = vec![group];
        let mut max_size = self.max_group;
        while let Some(mut part) = parts.pop() {
            let began = Instant::now();
            let failure = match self.transact_patiently(&mut part, max_size, &now) {
                Ok(ids) => {
                    self.counters.commit_time.record_time(began.elapsed());
                    self.reply(part, &now, ids);
                    continue;
                }
                Err(failure) => failure,
            };
            // A split part takes no new writes.
            max_size = 0;
            if part.len() == 1 && !matches!(failure, WriteFailure::Unreachable(_)) {
                self.fail(part, &failure.into_error());
            } else if matches!(failure, WriteFailure::Refused(_)) && self.can_write(&now) {
                let (size, error) = (part.len(), failure.into_error());
                log::warn!("a group of {size} writes failed ({error}); retrying each half");
                let second = part.split_off(size / 2);
                parts.extend([second, part]);
            } else {
                parts.push(part);
                let all = parts.into_iter().rev().flatten().collect();
                return self.fail(all, &failure.into_error());
            }
        }
    }

    /// Retries a transaction that collided with another, after growing pauses.
    fn transact_patiently(
        &mut self,
        group: &mut Vec<QueuedWrite>,
        max_size: usize,
        now: &Now,
    ) -> Result<NewestIds, WriteFailure> {
        let mut pauses = COLLISION_PAUSES.iter();
        loop {
            let result = self.transact(group, max_size, now);
            let (Err(WriteFailure::Collision(error)), Some(pause)) = (&result, pauses.next())
            else {
                return result;
            };
            log::debug!("{error}; retrying");
            std::thread::sleep(Duration::from_millis(*pause));
        }
    }

    /// Whether the database can store anything now.
    fn can_write(&mut self, now: &Now) -> bool {
        let mut probe = vec![QueuedWrite::new(WriteProbe, None, None, drop)];
        self.transact(&mut probe, 0, now).is_ok()
    }

    fn fail(&self, group: Vec<QueuedWrite>, error: &DbError) {
        let size = u64::try_from(group.len()).unwrap_or(u64::MAX);
        if size == 0 {
            return;
        }
        self.counters.failures.fetch_add(size, Ordering::Relaxed);
        log::error!("{size} writes failed: {error}");
        for write in group {
            write.fail(error.clone());
        }
    }

    /// Runs one transaction. The lock may take long if another server holds it. Then the group takes newly queued
    /// writes, up to `max_size`.
    fn transact(
        &mut self,
        group: &mut Vec<QueuedWrite>,
        max_size: usize,
        now: &Now,
    ) -> Result<NewestIds, WriteFailure> {
        let mut boxes = std::mem::take(&mut self.boxes);
        // The same quotas for the whole group.
        let quotas = self.quotas.get();
        let begin = self.begin(group);
        let mut work = |connection: &mut AnyConnection| {
            transaction::write(connection, begin, |connection| {
                if transaction::has_lock(connection, begin) {
                    self.queue.fill(group, max_size);
                }
                let sessions = SessionSteps::take(connection, group, self.claim_ms, now, begin)?;
                let mut scope = WriteScope {
                    connection,
                    boxes: &mut boxes,
                    now,
                    fees: &self.fees,
                    retention: &self.retention,
                    quotas: &quotas,
                    totals: &mut TotalChanges::default(),
                    sessions: &sessions,
                };
                group::run(&mut scope, group, self.returns_ids)
            })
        };
        let mut checked = || -> Result<NewestIds, WriteFailure> {
            self.file.check()?;
            let ids = self
                .pool
                .write(|connection| self.guarded(|| work(connection)))?;
            // Checked again: the file may have been moved during the transaction.
            self.file.check()?;
            Ok(ids)
        };
        let result = checked();
        if result.is_err() {
            boxes.forget();
        }
        self.boxes = boxes;
        result
    }

    /// How the transaction of a group begins.
    fn begin(&self, group: &[QueuedWrite]) -> Begin {
        let claims = group.iter().any(|write| write.claim.is_some());
        // Session steps run before the claims.
        let steps = group.iter().any(|write| write.session_step().is_some());
        let lock = match self.lock {
            WriteLock::Held if claims && !steps => WriteLock::TakenByClaims,
            lock => lock,
        };
        Begin {
            lock,
            at_once: self.begins_at_once,
        }
    }

    /// Sends replies and notices of durable writes. Replies go first, so that a sender's ack precedes its own delivery.
    fn reply(&self, group: Vec<QueuedWrite>, now: &Now, mut ids: NewestIds) {
        let size = u64::try_from(group.len()).unwrap_or(u64::MAX);
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        self.counters.group_sizes.record(size);
        self.counters.writes.fetch_add(size, Ordering::Relaxed);
        self.counters
            .largest_group
            .fetch_max(size, Ordering::Relaxed);
        let (mut stored, mut places) = (Vec::new(), Vec::new());
        for write in group {
            let (is_paid, requester) = (write.has_payment, write.requester);
            let (messages, trace) = write.committed();
            if !messages.is_empty() {
                places.push(self.queue.announce(&requester, messages.len()));
            }
            stored.extend(messages.into_iter().map(|message| Committed {
                id: id_of(&message, &mut ids),
                message,
                created_at: now.text.to_string(),
                trace,
                is_paid,
            }));
        }
        let count = u64::try_from(stored.len()).unwrap_or(u64::MAX);
        self.counters.stored.fetch_add(count, Ordering::Relaxed);
        if let Some(on_commit) = &self.on_commit
            && !stored.is_empty()
        {
            on_commit.do_send(MessagesStored::counted(stored, places));
        }
    }
}

fn id_of(message: &NewMessage, ids: &mut NewestIds) -> Option<i64> {
    if ids.is_empty() {
        return None;
    }
    ids.remove(&(message.recipient.to_hex(), message.message_id.clone()))
}

impl Actor for DbExecutor {
    type Context = SyncContext<Self>;
}

impl Handler<CommitQueued> for DbExecutor {
    type Result = ();

    fn handle(&mut self, _: CommitQueued, _ctx: &mut Self::Context) {
        loop {
            let mut group = Vec::new();
            self.queue.fill(&mut group, self.max_group);
            if group.is_empty() {
                return;
            }
            // After a panic, each caller's reply channel closes, which reports the failure.
            let _ = panics::contain("DbExecutor", || self.commit(group));
        }
    }
}

impl<T: Send + 'static> Handler<ReadCommand<T>> for DbExecutor {
    type Result = Result<T, DbError>;

    fn handle(
        &mut self,
        ReadCommand(mut read): ReadCommand<T>,
        _ctx: &mut Self::Context,
    ) -> Self::Result {
        let began = Instant::now();
        let result = self
            .pool
            .read(|connection| self.guarded(|| read(connection)));
        self.counters.read_time.record_time(began.elapsed());
        result
    }
}

impl Handler<ApplyMigrations> for DbExecutor {
    type Result = Result<Vec<String>, DbError>;

    fn handle(&mut self, _: ApplyMigrations, _ctx: &mut Self::Context) -> Self::Result {
        self.pool
            .write(|connection| self.guarded(|| migrations::migrate_and_log(connection)))
    }
}

impl Handler<Ping> for DbExecutor {
    type Result = Result<(), DbError>;

    fn handle(&mut self, _: Ping, _ctx: &mut Self::Context) -> Self::Result {
        self.pool.read(answers)
    }
}

/// Checks that a connection responds.
pub(crate) fn answers(connection: &mut AnyConnection) -> Result<(), DbError> {
    use diesel::r2d2::R2D2Connection as _;
    Ok(connection.ping()?)
}
