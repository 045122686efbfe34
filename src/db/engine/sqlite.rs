//! SQLite: a file, and how its connections are set.

use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::sqlite::SqliteConnection;

use super::connection::Failed;

/// Opens the file; makes it, and its folder, where there is none.
pub(in crate::db) fn connect(
    path: &Path,
    busy_timeout: Duration,
) -> Result<SqliteConnection, Failed> {
    create_parent(path)?;
    let text = path.to_str().ok_or("the path is not UTF-8")?;
    let mut connection = <SqliteConnection as diesel::Connection>::establish(text)?;
    // FULL: a commit is on the disk before it is acknowledged, whatever happens to the machine.
    connection.batch_execute(&format!(
        "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -16000;",
        busy_timeout.as_millis()
    ))?;
    Ok(connection)
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
