//! The handle on the database: it admits writes and reads, and keeps counts.

mod devices;
mod health;
pub(super) mod identity_lists;
pub(super) mod measures;
mod messages;
mod payments;
mod permissions;
mod sessions;
mod storage;
pub(super) mod totals;
pub(super) mod wal;

use std::sync::Arc;

use actix::prelude::*;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::{Now, millis};
use crate::db::engine::connect::largest_message::LargestMessage;
use crate::db::engine::connect::open;
use crate::db::engine::connect::pool::DbPool;
use crate::db::engine::connect::settings::DbSettings;
use crate::db::engine::dialect::can_begin_at_once;
use crate::db::engine::error::DbError;
use crate::db::engine::sqlite::disk::DiskGuard;
use crate::db::engine::sqlite::file_identity::{DatabaseFile, has_log};
use crate::db::engine::sqlite::wal_state::WalState;
use crate::db::engine::transaction::WriteLock;
use crate::db::store::command::WriteCommand;
use crate::db::store::fees::DeliveryFees;
use crate::db::store::identity_list_store;
use crate::db::store::messages::box_ids::{BoxIds, Retention};
use crate::db::store::messages::catch_up_query;
use crate::db::store::messages::expiry::DeleteExpired;
use crate::db::store::messages::message_store::Acknowledge;
use crate::db::store::messages::page_cursors::PageCursors;
use crate::db::store::requester::Requester;
use crate::db::store::upkeep::size::SizeCache;
use crate::db::writer::committed::MessagesStored;
use crate::db::writer::executor::{ApplyMigrations, Counters, DbExecutor, ReadCommand};
use crate::db::writer::group;
use crate::db::writer::queue::WriteQueue;
use crate::db::writer::queued_write::QueuedWrite;
use crate::db::writer::reads::ReadQueue;
use crate::db::writer::thread::WriterThread;
use crate::ids::IdentityKey;
use crate::limits::{AddressKey, IdentityLists};
use crate::live::Live;
use crate::model::{
    NewMessage, Paid, PaymentState, Quotas, RequestClaim, Submission, SubmitOutcome,
};

use totals::StoredTotals;

/// Maximum number of session lookups in the read queue. Further lookups wait for these.
const MAX_SESSION_LOOKUPS: usize = 64;

struct Shared {
    settings: DbSettings,
    pool: DbPool,
    counters: Arc<Counters>,
    writer: WriterThread,
    /// Writes sessions, if the engine allows several writers.
    session_writer: Option<WriterThread>,
    /// Permits for session lookups in the read queue.
    session_lookups: Semaphore,
    readers: Addr<DbExecutor>,
    reads: ReadQueue,
    fees: DeliveryFees,
    quotas: Live<Quotas>,
    totals: Mutex<Option<StoredTotals>>,
    identity_lists: IdentityLists,
    /// Held while the lists are refreshed: an older refresh must not overwrite a newer one.
    following: tokio::sync::Mutex<()>,
    disk: DiskGuard,
    wal: WalState,
    page_cursors: Arc<PageCursors>,
    largest: LargestMessage,
    size: SizeCache,
    first_message_id: i64,
}

/// The requester that a handle works for.
#[derive(Debug, Clone, Default)]
struct Caller {
    claim: Option<RequestClaim>,
    address: Option<AddressKey>,
}

/// A handle on the database; cheap to clone. A handle for one request claims that request with its first write.
#[derive(Clone)]
pub struct DbHandle(Arc<Shared>, Caller);

impl std::fmt::Debug for DbHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DbHandle").field(&self.status()).finish()
    }
}

impl DbHandle {
    /// Opens the database, applies pending migrations if the settings say so, and starts the writer threads and the
    /// readers. `on_commit` receives every durable message, in order.
    ///
    /// # Errors
    /// [`DbError::Open`], [`DbError::OldSchema`], or an error of reading the migrations.
    pub fn open(
        settings: &DbSettings,
        on_commit: Option<Recipient<MessagesStored>>,
    ) -> Result<Self, DbError> {
        let had_log = has_log(&settings.url);
        let pool = open(settings)?;
        let (first_message_id, largest, begins_at_once, identity_lists) = match pool.get() {
            Ok(mut pooled) => (
                // Tables that are not migrated yet have no messages.
                catch_up_query::last_id(&mut pooled).unwrap_or(0),
                LargestMessage::of(&mut pooled).unwrap_or_default(),
                can_begin_at_once(&mut pooled).unwrap_or(false),
                identity_list_store::load(&mut pooled),
            ),
            Err(_) => (
                0,
                LargestMessage::default(),
                false,
                IdentityLists::default(),
            ),
        };
        let file = Arc::new(DatabaseFile::of(settings, had_log)?);
        let wal = WalState::new(Arc::clone(&file), settings);
        let counters = Arc::<Counters>::default();
        let fees = DeliveryFees::new(
            settings.delivery_fees.clone(),
            settings.delivery_fee_per_recipient,
        );
        let quotas = Live::new(settings.quotas);
        let reader = DbExecutor {
            pool: pool.clone(),
            file,
            // Readers have an empty queue because they never write.
            queue: Arc::new(WriteQueue::new(0, 0)),
            counters: Arc::clone(&counters),
            on_commit: None,
            max_group: settings.max_group.max(1),
            boxes: BoxIds::default(),
            fees: fees.clone(),
            message_ttl: settings.message_ttl,
            retention: Retention::new(settings.retention.clone()),
            quotas: quotas.clone(),
            returns_ids: settings.returns_ids,
            lock: WriteLock::Held,
            begins_at_once,
            claim_ms: millis(settings.session_life),
        };
        let (max, max_bytes) = (settings.max_queued_writes, settings.max_queued_bytes);
        let writer = |on_commit, lock| {
            WriterThread::start(DbExecutor {
                queue: Arc::new(WriteQueue::new(max, max_bytes)),
                on_commit,
                lock,
                ..reader.clone()
            })
        };
        let sessions = settings.has_session_writer();
        let shared = Shared {
            settings: settings.clone(),
            pool,
            counters,
            writer: writer(on_commit, WriteLock::Held),
            session_writer: sessions.then(|| writer(None, WriteLock::NotNeeded)),
            session_lookups: Semaphore::new(MAX_SESSION_LOOKUPS),
            reads: ReadQueue::new(settings.max_queued_reads, settings.read_threads),
            readers: SyncArbiter::start(settings.read_threads.get(), move || reader.clone()),
            fees,
            quotas,
            totals: Mutex::default(),
            identity_lists,
            following: tokio::sync::Mutex::default(),
            disk: DiskGuard::new(&settings.url, settings.min_free_bytes),
            wal,
            page_cursors: Arc::default(),
            largest,
            size: SizeCache::default(),
            first_message_id,
        };
        Ok(Self(Arc::new(shared), Caller::default()))
    }

    /// Submits messages. The writer's thread calls `reply` after the commit, in commit order. A refusal (a full
    /// queue, a low disk, a message too large) calls it at once, in this thread. Submitted messages cannot be cancelled.
    pub fn submit(
        &self,
        submission: Submission,
        reply: impl FnOnce(Result<SubmitOutcome, DbError>) + Send + 'static,
    ) {
        // Paid messages that a wallet has accepted are stored even on a nearly full disk.
        let is_taken = |paid: &Paid| paid.state == PaymentState::Internalized;
        let checked = self.0.largest.check(&submission.messages);
        match checked {
            Ok(()) if self.0.disk.is_low() && !submission.paid.as_ref().is_some_and(is_taken) => {
                reply(Err(DbError::LowDisk));
            }
            Ok(()) => self.write(submission, reply),
            Err(error) => reply(Err(error)),
        }
    }

    /// Predicts the outcome of these messages without storing them. The result is [`SubmitOutcome::Stored`] if all are
    /// duplicates, `Blocked`, `Full`, or `Due` with a price that may be zero.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn inspect(&self, messages: Vec<NewMessage>) -> Result<SubmitOutcome, DbError> {
        self.0.largest.check(&messages)?;
        if self.0.disk.is_low() {
            return Err(DbError::LowDisk);
        }
        let (fees, quotas) = (self.0.fees.clone(), self.0.quotas.get());
        let ttl = self.0.settings.message_ttl;
        let sender = messages.first().map(|message| message.sender);
        self.read(sender, move |connection| {
            Ok(group::inspect(
                connection,
                &fees,
                &messages,
                &quotas,
                &Now::read(ttl),
            )?)
        })
        .await
    }

    /// Deletes messages of this recipient and returns their number. Dropping the future cancels nothing.
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

    /// Deletes up to `max` expired messages and returns their number.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_expired(&self, max: i64) -> Result<usize, DbError> {
        self.run(DeleteExpired { max }).await
    }

    /// Applies pending migrations and returns their names.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn migrate(&self) -> Result<Vec<String>, DbError> {
        self.0
            .writer
            .address()
            .send(ApplyMigrations)
            .await
            .unwrap_or(Err(DbError::Closed))
    }

    fn write<C: WriteCommand>(
        &self,
        command: C,
        reply: impl FnOnce(Result<C::Output, DbError>) + Send + 'static,
    ) {
        let Caller { claim, address } = &self.1;
        let claim = claim.as_ref().and_then(RequestClaim::take);
        let write = QueuedWrite::new(command, claim, *address, reply);
        self.0.writer.write(write);
    }

    /// Writes a session, in the session writer's thread if there is one.
    fn write_session<C: WriteCommand>(
        &self,
        command: C,
        reply: impl FnOnce(Result<C::Output, DbError>) + Send + 'static,
    ) {
        let writer = self.0.session_writer.as_ref().unwrap_or(&self.0.writer);
        writer.write(QueuedWrite::new(command, None, self.1.address, reply));
    }

    /// Runs a command and waits for its result. Dropping the future cancels nothing.
    async fn run<C: WriteCommand>(&self, command: C) -> Result<C::Output, DbError> {
        let (sender, receiver) = oneshot::channel();
        self.write(command, move |result| drop(sender.send(result)));
        receiver.await.unwrap_or(Err(DbError::Closed))
    }

    /// As `run`, but for sessions.
    async fn run_session<C: WriteCommand>(&self, command: C) -> Result<C::Output, DbError> {
        let (sender, receiver) = oneshot::channel();
        self.write_session(command, move |result| drop(sender.send(result)));
        receiver.await.unwrap_or(Err(DbError::Closed))
    }

    fn writers(&self) -> impl Iterator<Item = &WriterThread> {
        let writers = [Some(&self.0.writer), self.0.session_writer.as_ref()];
        writers.into_iter().flatten()
    }

    /// Reads on behalf of `owner`. Owners take turns, however many reads one of them queues. A running read keeps its
    /// permit even if its caller is gone. A read is retried if its connection was lost.
    async fn read<T: Send + 'static>(
        &self,
        owner: Option<IdentityKey>,
        read: impl FnMut(&mut AnyConnection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        self.read_in(Requester::of(owner, self.1.address), read)
            .await
    }

    async fn read_in<T: Send + 'static>(
        &self,
        requester: Requester,
        mut read: impl FnMut(&mut AnyConnection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        let place = self.0.reads.take(&requester)?;
        let held = (place.turn().await, place);
        let read = move |connection: &mut AnyConnection| {
            let _held = &held;
            read(connection)
        };
        self.0
            .readers
            .send(ReadCommand(Box::new(read)))
            .await
            .unwrap_or(Err(DbError::Closed))
    }
}

/// Texts with U+0000 are never stored, because PostgreSQL rejects them. So lookups need not ask for them.
fn may_be_stored(name: &str) -> bool {
    !name.contains('\0')
}

#[cfg(test)]
mod tests;
