//! Checks that the database file is still the file that was opened.
//!
//! A moved or deleted file stays open: SQLite keeps writing to it, but a restart would not find it. So the writer
//! refuses commits until the original file is back. A different file at the path is opened only by a restart, which
//! checks it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::sqlite::SqliteConnection;
use diesel::{QueryResult, RunQueryDsl as _};
use parking_lot::Mutex;

use super::wal_marker;
use crate::db::engine::connect::settings::DbSettings;
use crate::db::engine::connect::url::DatabaseUrl;
use crate::db::engine::error::{BoxError, DbError};
use crate::db::engine::sqlite;

/// The files of an open database; none for a database server, which manages its own files.
#[derive(Default)]
pub(crate) struct DatabaseFile {
    /// Path, device and inode of the database and of its write-ahead log.
    files: Vec<(PathBuf, (u64, u64))>,
    /// While a connection stays open, SQLite does not replace the write-ahead log.
    anchor: Option<Mutex<SqliteConnection>>,
    lacks_log: bool,
}

/// Whether the database has a non-empty write-ahead log. Call it before the database is opened.
pub(crate) fn has_log(url: &DatabaseUrl) -> bool {
    url.file().is_none_or(wal_marker::has_log)
}

impl std::fmt::Debug for DatabaseFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.files).finish()
    }
}

impl DatabaseFile {
    /// Inspects an opened database. `had_log`: the result of [`has_log`] before it was opened.
    pub(crate) fn of(settings: &DbSettings, had_log: bool) -> Result<Self, DbError> {
        let Some(path) = settings.url.file() else {
            return Ok(Self::default());
        };
        Self::open(path, settings.busy_timeout, had_log)
            .map_err(|error| DbError::open(&settings.url, error))
    }

    fn open(path: &Path, busy_timeout: Duration, had_log: bool) -> Result<Self, BoxError> {
        let mut anchor = sqlite::connect(path, busy_timeout)?;
        // SQLite opens the file lazily, at the first read.
        diesel::sql_query("SELECT COUNT(*) FROM sqlite_master").execute(&mut anchor)?;
        let lacks_log = wal_marker::find_missing(&mut anchor, had_log)?;
        let mut files = vec![(path.to_owned(), identity(path)?)];
        let log = wal_marker::log_of(path);
        if let Ok(identity) = identity(&log) {
            files.push((log, identity));
        }
        Ok(Self {
            files,
            anchor: Some(Mutex::new(anchor)),
            lacks_log,
        })
    }

    /// Whether the write-ahead log was missing at start.
    pub(crate) const fn lacks_log(&self) -> bool {
        self.lacks_log
    }

    /// Marks the file as having a write-ahead log. Without the mark, only a warning is lost.
    pub(crate) fn expect_log(&self) {
        if let Err(error) = self.with_anchor(wal_marker::expect_log) {
            log::debug!("the mark of the write-ahead log was not set: {error}");
        }
    }

    /// Checkpoints the write-ahead log into the file. Returns whether the log is empty.
    pub(crate) fn empty_log(&self) -> QueryResult<bool> {
        // A moved file's log is no longer at its path.
        if self.check().is_err() {
            return Ok(true);
        }
        Ok(self.with_anchor(wal_marker::empty_log)?.unwrap_or(true))
    }

    fn with_anchor<T>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>,
    ) -> QueryResult<Option<T>> {
        let anchor = self.anchor.as_ref();
        let anchor = anchor.map(|anchor| anchor.lock());
        anchor.map(|mut anchor| work(&mut anchor)).transpose()
    }

    /// Fails if the files at the database's paths are no longer the opened ones.
    pub(crate) fn check(&self) -> Result<(), DbError> {
        for (path, opened) in &self.files {
            let what = match identity(path) {
                Ok(found) if found == *opened => continue,
                Ok(_) => "is another file than the opened one".to_owned(),
                Err(error) if error.kind() == ErrorKind::NotFound => "is gone".to_owned(),
                Err(error) => error.to_string(),
            };
            return Err(DbError::unavailable(format_args!(
                "{} {what}; put it back, or restart the server to use what is there now",
                path.display()
            )));
        }
        Ok(())
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}
