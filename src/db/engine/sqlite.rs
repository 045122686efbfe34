//! SQLite: the file and its connections.

pub(crate) mod compact;
pub(crate) mod disk;
pub(crate) mod file_identity;
pub(crate) mod wal_marker;
pub(crate) mod wal_state;

use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;

use super::error::BoxError;

/// Opens the file, and creates it and its folder if missing.
pub(crate) fn connect(path: &Path, busy_timeout: Duration) -> Result<SqliteConnection, BoxError> {
    create_parent(path)?;
    let text = path.to_str().ok_or("the path is not UTF-8")?;
    let is_new = std::fs::metadata(path).map_or(true, |file| file.len() == 0);
    let mut connection = SqliteConnection::establish(text)?;
    connection.batch_execute(&format!(
        "PRAGMA busy_timeout = {}",
        busy_timeout.as_millis()
    ))?;
    if is_new {
        // The mode applies only to files without pages, and the next statement writes one.
        connection.batch_execute("PRAGMA auto_vacuum = INCREMENTAL")?;
    }
    // FULL: each commit is on the disk before it is acknowledged.
    connection.batch_execute(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -16000;",
    )?;
    Ok(connection)
}

/// The mode of a file that can release pages.
const INCREMENTAL: i64 = 2;

/// Page counts of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub(crate) struct FilePages {
    #[diesel(sql_type = BigInt)]
    pub(crate) pages: i64,
    /// Pages that are not in use.
    #[diesel(sql_type = BigInt)]
    pub(crate) free: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) page_bytes: i64,
    #[diesel(sql_type = BigInt)]
    mode: i64,
}

impl FilePages {
    /// Reads the file's header.
    pub(crate) fn of(connection: &mut SqliteConnection) -> QueryResult<Self> {
        diesel::sql_query(
            "SELECT page_count AS pages, freelist_count AS free, page_size AS page_bytes, auto_vacuum AS mode \
             FROM pragma_page_count, pragma_freelist_count, pragma_page_size, pragma_auto_vacuum",
        )
        .get_result(connection)
    }

    /// Whether the file can release its free pages.
    pub(crate) const fn can_shrink(&self) -> bool {
        self.mode == INCREMENTAL
    }

    /// The size of this many pages, in bytes.
    pub(crate) fn bytes(&self, pages: i64) -> u64 {
        u64::try_from(pages.saturating_mul(self.page_bytes)).unwrap_or(0)
    }
}

/// Truncates this many free pages. Used pages at the end move to free ones first.
pub(crate) fn give_back(connection: &mut SqliteConnection, pages: i64) -> QueryResult<()> {
    connection.batch_execute(&format!("PRAGMA incremental_vacuum({pages})"))
}

/// Rewrites the whole file so that it can release pages. The temporary copy goes into this folder.
pub(crate) fn rewrite(connection: &mut SqliteConnection, folder: &Path) -> QueryResult<()> {
    // SQLite's own choice, such as /var/tmp, may be smaller or missing.
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
