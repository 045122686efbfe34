//! Persistence: the `DbExecutor` actor, its handle and the store functions.
//!
//! Writes are grouped: while one transaction runs, new writes queue up, and the next transaction commits them together.
//! Each reply waits for the commit that made its write durable.
//!
//! Each room may use the rooms below it only:
//!
//! ```text
//! handle    the interface for other layers
//! writer    the queue, groups, and the actor that commits them        archive   export and import
//! store     statements, and the commands that run them
//! engine    differences between database engines
//! ```

mod archive;
mod engine;
mod handle;
mod store;
mod writer;

pub use archive::{ArchiveError, RowCounts, export_archive, import_archive};
pub use engine::connect::settings::DbSettings;
pub use engine::connect::url::DatabaseUrl;
pub use engine::connect::{apply_migrations, pending_migrations, refuse_old_schema};
pub use engine::error::DbError;
pub use engine::migrations::PendingMigration;
pub use engine::sqlite::compact::{CompactError, CompactPlan};
pub use engine::sqlite::disk::DiskSpace;
pub use handle::DbHandle;
pub use handle::identity_lists::{listed_identities, set_listed};
pub use handle::measures::{DbMeasures, DbStatus};
pub use handle::totals::StoredTotals;
pub use handle::wal::accept_database;
pub use store::totals::recount::TotalsOfRole;
pub use writer::committed::{Committed, MessagesStored};

#[cfg(test)]
#[expect(unreachable_pub, dead_code, reason = "tests/it uses all of it")]
#[path = "../../tests/it/support/database.rs"]
mod test_database;
