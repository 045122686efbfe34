//! SQLite: a file, and how its connections are set.

use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;

use super::connection::Failed;

/// Opens the file; makes it, and its folder, where there is none.
pub(in crate::db) fn connect(
    path: &Path,
    busy_timeout: Duration,
) -> Result<SqliteConnection, Failed> {
    create_parent(path)?;
    let text = path.to_str().ok_or("the path is not UTF-8")?;
    let is_new = std::fs::metadata(path).map_or(true, |file| file.len() == 0);
    let mut connection = SqliteConnection::establish(text)?;
    connection.batch_execute(&format!(
        "PRAGMA busy_timeout = {}",
        busy_timeout.as_millis()
    ))?;
    if is_new {
        // It holds for files that have no page yet, and the next line writes one.
        connection.batch_execute("PRAGMA auto_vacuum = INCREMENTAL")?;
    }
    // FULL: a commit is on the disk before it is acknowledged, whatever happens to the machine.
    connection.batch_execute(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -16000;",
    )?;
    Ok(connection)
}

/// The mode of a file that can give back pages.
const INCREMENTAL: i64 = 2;

/// The pages of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub(in crate::db) struct Space {
    #[diesel(sql_type = BigInt)]
    pub(in crate::db) pages: i64,
    /// Pages that nothing uses.
    #[diesel(sql_type = BigInt)]
    pub(in crate::db) free: i64,
    #[diesel(sql_type = BigInt)]
    pub(in crate::db) page_bytes: i64,
    #[diesel(sql_type = BigInt)]
    mode: i64,
}

impl Space {
    /// Reads the head of the file.
    pub(in crate::db) fn of(connection: &mut SqliteConnection) -> QueryResult<Self> {
        diesel::sql_query(
            "SELECT page_count AS pages, freelist_count AS free, page_size AS page_bytes, auto_vacuum AS mode \
             FROM pragma_page_count, pragma_freelist_count, pragma_page_size, pragma_auto_vacuum",
        )
        .get_result(connection)
    }

    /// Whether the file can give back its free pages.
    pub(in crate::db) const fn can_shrink(&self) -> bool {
        self.mode == INCREMENTAL
    }

    /// The bytes of this many pages.
    pub(in crate::db) fn bytes(&self, pages: i64) -> u64 {
        u64::try_from(pages.saturating_mul(self.page_bytes)).unwrap_or(0)
    }
}

/// Cuts this many free pages off the file's end; pages there that are in use move to free ones.
pub(in crate::db) fn give_back(connection: &mut SqliteConnection, pages: i64) -> QueryResult<()> {
    connection.batch_execute(&format!("PRAGMA incremental_vacuum({pages})"))
}

/// Rewrites the whole file, with its temporary copy in this folder, so that it can give back pages from then on.
pub(in crate::db) fn rewrite(connection: &mut SqliteConnection, folder: &Path) -> QueryResult<()> {
    // Its own choice, such as /var/tmp, may be smaller, or not there.
    let folder = folder.display().to_string().replace('\'', "''");
    connection.batch_execute(&format!(
        "PRAGMA temp_store_directory = '{folder}'; PRAGMA auto_vacuum = INCREMENTAL; VACUUM; \
         PRAGMA wal_checkpoint(TRUNCATE)"
    ))
}

fn create_parent(path: &Path) -> std::io::Result<()> {
    let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    else {
        return Ok(());
    };
    if parent.exists() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(parent)
}
