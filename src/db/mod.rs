//! Persistence: the `DbExecutor` actor, its handle and the store functions.
//!
//! Writes are grouped: while one transaction runs, those that arrive collect, and the next one commits them
//! together. A reply is given only after the commit that made its write durable.

mod announced;
mod any_connection;
mod archive;
mod claiming;
mod clock;
mod command;
mod connection;
mod device_store;
mod dialect;
mod error;
mod executor;
mod expiry;
mod fees;
mod file;
mod group;
mod handle;
mod lane;
mod largest_message;
mod message;
mod message_list;
mod message_store;
mod migrations;
mod missed;
#[cfg(feature = "mysql")]
mod mysql;
mod page_marks;
mod payment;
mod payment_replays;
mod payment_store;
mod permission_store;
mod pool;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod pooler;
#[cfg(feature = "postgres")]
mod postgres;
mod probe;
mod queue;
mod reads;
mod request_claim;
mod schema;
mod session_steps;
mod session_store;
mod sqlite;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod statement;
mod submission;
mod timestamp;
mod url;
mod version;

pub use archive::{ArchiveError, RowCounts, export_archive, import_archive};
pub use connection::{DbSettings, apply_migrations, pending_migrations};
pub use device_store::Device;
pub use error::DbError;
pub use fees::Quote;
pub use handle::{DbHandle, DbMeasures, DbStatus};
pub use message::{
    Committed, ListBound, MessageBody, MessagePage, MessagesStored, NewMessage, Order,
    OversizedMessage, Page, StoreOutcome, StoredMessage,
};
pub use migrations::PendingMigration;
pub use missed::{MessageHead, MissedPage, WholeMessage};
pub use payment::{
    ClaimOutcome, KeptPayment, Outpoint, Payment, PaymentOutput, PaymentState, SpentOutput,
};
pub use permission_store::{Permission, PermissionPage};
pub use request_claim::{ClaimRefusal, MAX_CLAIM_CHARS, RequestClaim};
pub use session_store::SessionRow;
pub use submission::{Paid, Submission, SubmitOutcome};
pub use timestamp::Timestamp;
pub use url::DatabaseUrl;
