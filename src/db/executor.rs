//! The actor that owns the database: one thread that writes, a few that read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix::prelude::*;

use crate::metrics::Histogram;
use crate::panics;

use super::any_connection::AnyConnection;
use super::clock::Now;
use super::command::{self, Work, Write};
use super::dialect::{self, Failure, WriteLock};
use super::error::DbError;
use super::fees::DeliveryFees;
use super::file::DatabaseFile;
use super::group;
use super::message::{Committed, MessagesStored, NewMessage};
use super::message_store::BoxIds;
use super::migrations;
use super::missed::NewestIds;
use super::pool::DbPool;
use super::probe::ProbeWrite;
use super::queue::WriteQueue;
use super::session_steps::SessionSteps;

/// How long a transaction that was in another's way waits before each of its next tries, in milliseconds.
const COLLISION_PAUSES: [u64; 6] = [5, 10, 20, 50, 100, 200];

/// Counts that the executor keeps and the handle reports.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) commits: AtomicU64,
    pub(super) writes: AtomicU64,
    pub(super) stored: AtomicU64,
    pub(super) largest_group: AtomicU64,
    pub(super) panics: AtomicU64,
    pub(super) failures: AtomicU64,
    /// Writes in a transaction.
    pub(super) group_sizes: Histogram,
    /// From the start of a transaction to the end of its commit, in microseconds.
    pub(super) commit_time: Histogram,
    /// What a read takes once its turn has come.
    pub(super) read_time: Histogram,
}

/// Command: commit what waits.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct CommitWaiting;

/// Command: read something.
pub(super) struct Read<T>(pub(super) Reading<T>);

/// It is run again where its connection was lost.
type Reading<T> = Box<dyn FnMut(&mut AnyConnection) -> Result<T, DbError> + Send>;

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

/// Runs on threads of its own ([`SyncArbiter`]): diesel blocks.
#[derive(Debug)]
pub(super) struct DbExecutor {
    pub(super) pool: DbPool,
    pub(super) file: Arc<DatabaseFile>,
    pub(super) queue: Arc<WriteQueue>,
    pub(super) counters: Arc<Counters>,
    pub(super) on_commit: Option<Recipient<MessagesStored>>,
    pub(super) max_group: usize,
    pub(super) boxes: BoxIds,
    pub(super) fees: DeliveryFees,
    pub(super) message_ttl: Option<Duration>,
    pub(super) tells_ids: bool,
    pub(super) lock: WriteLock,
    /// How long a claimed request is known at least, in milliseconds.
    pub(super) claim_ms: i64,
}

impl DbExecutor {
    /// Runs a store function behind a boundary that no panic crosses: one would end this thread for good,
    /// and nobody could tell from the address.
    fn guarded<T, E: From<DbError>>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        panics::contain("DbExecutor", work).unwrap_or_else(|| {
            self.counters.panics.fetch_add(1, Ordering::Relaxed);
            Err(DbError::Panicked.into())
        })
    }

    /// Commits one group and tells everybody. A group that fails because of one of its writes is narrowed by halves, so that
    /// this write fails alone. If it is the database that fails, all of them fail at once: each on its own would wait as
    /// long as all of them together.
    fn commit(&mut self, group: Vec<Box<dyn Write>>) {
        let now = Now::read(self.message_ttl);
        // The last part is the next.
        let mut parts = vec![group];
        while let Some(mut part) = parts.pop() {
            let began = Instant::now();
            let failure = match self.transact_patiently(&mut part, &now) {
                Ok(ids) => {
                    self.counters.commit_time.record_time(began.elapsed());
                    self.reply(part, &now, ids);
                    continue;
                }
                Err(failure) => failure,
            };
            if part.len() == 1 && !matches!(failure, Failure::Unreachable(_)) {
                self.fail(part, &failure.into_error());
            } else if matches!(failure, Failure::Refused(_)) && self.can_write(&now) {
                let (size, error) = (part.len(), failure.into_error());
                log::warn!("a group of {size} writes failed ({error}); trying each half");
                let second = part.split_off(size / 2);
                parts.extend([second, part]);
            } else {
                parts.push(part);
                let all = parts.into_iter().rev().flatten().collect();
                return self.fail(all, &failure.into_error());
            }
        }
    }

    /// Tries again what only was in another's way, a little later each time.
    fn transact_patiently(
        &mut self,
        group: &mut [Box<dyn Write>],
        now: &Now,
    ) -> Result<NewestIds, Failure> {
        let mut pauses = COLLISION_PAUSES.iter();
        loop {
            let result = self.transact(group, now);
            let (Err(Failure::Collision(error)), Some(pause)) = (&result, pauses.next()) else {
                return result;
            };
            log::debug!("{error}; trying again");
            std::thread::sleep(Duration::from_millis(*pause));
        }
    }

    /// Whether the database can store anything at all.
    fn can_write(&mut self, now: &Now) -> bool {
        self.transact(&mut [command::write(ProbeWrite, None, drop)], now)
            .is_ok()
    }

    fn fail(&self, group: Vec<Box<dyn Write>>, error: &DbError) {
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

    fn transact(&mut self, group: &mut [Box<dyn Write>], now: &Now) -> Result<NewestIds, Failure> {
        let mut boxes = std::mem::take(&mut self.boxes);
        let fees = self.fees.clone();
        let result = self.file.check().map_err(Failure::from).and_then(|()| {
            let lock = self.lock;
            let mut work = |connection: &mut AnyConnection| {
                dialect::write(connection, lock, |connection| {
                    let sessions = SessionSteps::take(connection, group, self.claim_ms, now)?;
                    let mut work = Work {
                        connection,
                        boxes: &mut boxes,
                        now,
                        fees: &fees,
                        sessions: &sessions,
                    };
                    group::run(&mut work, group, self.tells_ids)
                })
            };
            self.pool
                .write(|connection| self.guarded(|| work(connection)))
        });
        // Once more: it may have been moved away meanwhile.
        let result = result.and_then(|ids| {
            self.file.check()?;
            Ok(ids)
        });
        if result.is_err() {
            boxes.forget();
        }
        self.boxes = boxes;
        result
    }

    /// Everything here is durable. Replies go first, so that a sender's ack comes before its own delivery.
    fn reply(&self, group: Vec<Box<dyn Write>>, now: &Now, mut ids: NewestIds) {
        let size = u64::try_from(group.len()).unwrap_or(u64::MAX);
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        self.counters.group_sizes.record(size);
        self.counters.writes.fetch_add(size, Ordering::Relaxed);
        self.counters
            .largest_group
            .fetch_max(size, Ordering::Relaxed);
        let mut stored = Vec::new();
        for write in group {
            let is_paid = write.has_payment();
            let (messages, trace) = write.committed();
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
            on_commit.do_send(MessagesStored::counted(stored, self.queue.announced()));
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

impl Handler<CommitWaiting> for DbExecutor {
    type Result = ();

    fn handle(&mut self, _: CommitWaiting, _ctx: &mut Self::Context) {
        loop {
            let group = self.queue.take(self.max_group);
            if group.is_empty() {
                return;
            }
            // Whoever waits for an answer of a group that is lost hears that it is.
            let _ = panics::contain("DbExecutor", || self.commit(group));
        }
    }
}

impl<T: Send + 'static> Handler<Read<T>> for DbExecutor {
    type Result = Result<T, DbError>;

    fn handle(&mut self, Read(mut read): Read<T>, _ctx: &mut Self::Context) -> Self::Result {
        let began = Instant::now();
        let result = self
            .pool
            .read(|connection| self.guarded(|| read(connection)));
        self.counters.read_time.record_time(began.elapsed());
        result
    }
}

impl Handler<Migrate> for DbExecutor {
    type Result = Result<Vec<String>, DbError>;

    fn handle(&mut self, _: Migrate, _ctx: &mut Self::Context) -> Self::Result {
        self.pool
            .write(|connection| self.guarded(|| migrations::migrate(connection)))
    }
}

impl Handler<Ping> for DbExecutor {
    type Result = Result<(), DbError>;

    fn handle(&mut self, _: Ping, _ctx: &mut Self::Context) -> Self::Result {
        self.pool.read(answers)
    }
}

/// Whether a connection answers.
pub(super) fn answers(connection: &mut AnyConnection) -> Result<(), DbError> {
    use diesel::r2d2::R2D2Connection as _;
    Ok(connection.ping()?)
}
