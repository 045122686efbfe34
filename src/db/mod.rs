//! Persistence: the `DbExecutor` actor, its handle and the store functions.
//!
//! Writes are grouped: while one transaction runs, those that arrive collect, and the next one commits them
//! together. A reply is given only after the commit that made its write durable.
//!
//! The rooms know only what is below them:
//!
//! ```text
//! handle    the way to the database for everybody else
//! writer    the queue, groups, and the actor that commits them        archive   everything as a stream of lines
//! store     statements, and the commands that run them
//! engine    what differs by database
//! ```

mod archive;
mod engine;
mod handle;
mod store;
mod writer;

pub use archive::{ArchiveError, RowCounts, export_archive, import_archive};
pub use engine::compact::{CompactError, CompactPlan};
pub use engine::connection::{DbSettings, apply_migrations, pending_migrations, refuse_old_schema};
pub use engine::disk::DiskSpace;
pub use engine::error::DbError;
pub use engine::migrations::PendingMigration;
pub use engine::url::DatabaseUrl;
pub use handle::{
    DbHandle, DbMeasures, DbStatus, StoredTotals, TotalsOfRole, accept_database, listed_identities,
    set_listed,
};
pub use writer::committed::{Committed, MessagesStored};

#[cfg(test)]
#[expect(unreachable_pub, dead_code, reason = "tests/it uses all of it")]
#[path = "../../tests/it/support/database.rs"]
mod test_database;
