//! Settings of the store.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::url::DatabaseUrl;
use crate::model::Quotas;

#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct DbSettings {
    pub url: DatabaseUrl,
    /// Reader threads. One more thread writes.
    pub read_threads: NonZeroUsize,
    /// Maximum number of queued writes.
    pub busy_timeout: Duration,
    /// Maximum bytes of messages in queued writes.
    pub max_queued_writes: usize,
    /// Maximum number of writes per transaction.
    pub max_queued_bytes: usize,
    /// Maximum number of queued reads.
    pub max_group: usize,
    /// Whether opening the database applies pending migrations.
    pub max_queued_reads: usize,
    /// Whether the server starts with pending migrations because an operator can apply them later.
    pub migrate: bool,
    /// Whether shutdown empties the write-ahead log of a SQLite file.
    pub takes_old_schema: bool,
    /// The operator's delivery fees by box, in satoshis. They override the table.
    pub checkpoint: bool,
    /// Whether the delivery fee is due once for each recipient of a message.
    pub delivery_fees: BTreeMap<String, u64>,
    /// Whether a message costs its delivery fee once for each recipient.
    pub delivery_fee_per_recipient: bool,
    /// How long messages live in single boxes, by box name.
    pub message_ttl: Option<Duration>,
    /// The storage quotas of each identity.
    pub retention: BTreeMap<String, Duration>,
    /// No message is stored when the database's disk has fewer free bytes; 0 turns the check off.
    pub quotas: Quotas,
    /// Free bytes of the disk of a database file below which no message is stored; 0: no matter how many.
    pub min_free_bytes: u64,
    /// How long a session lives after its last request.
    pub session_life: Duration,
    /// How long a session lives before its first request.
    pub pending_session_life: Duration,
    /// Whether notices carry message ids. This costs one statement per transaction.
    pub returns_ids: bool,
}

impl DbSettings {
    /// The default settings for this database.
    #[must_use]
    pub fn new(url: DatabaseUrl) -> Self {
        Self {
            url,
            read_threads: NonZeroUsize::new(2).unwrap_or(NonZeroUsize::MIN),
            busy_timeout: Duration::from_secs(5),
            max_queued_writes: 10_000,
            max_queued_bytes: 256 * 1024 * 1024,
            max_group: 512,
            max_queued_reads: 2048,
            migrate: true,
            takes_old_schema: true,
            checkpoint: true,
            delivery_fees: BTreeMap::new(),
            delivery_fee_per_recipient: false,
            message_ttl: None,
            retention: BTreeMap::new(),
            quotas: Quotas::NONE,
            min_free_bytes: 0,
            session_life: Duration::from_secs(3_600),
            pending_session_life: Duration::from_secs(300),
            returns_ids: false,
        }
    }
    /// Whether sessions have their own writer. A SQLite file allows only one writer at a time.
    pub(crate) fn has_session_writer(&self) -> bool {
        self.url.file().is_none()
    }
}
