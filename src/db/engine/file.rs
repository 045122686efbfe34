//! Whether the database's file is still where it was opened.
//!
//! A file that is moved away or deleted stays open: SQLite goes on writing into it, where nobody finds it after a
//! restart. So what would be committed there is refused until the very file is back. Another file in its place is not
//! opened by itself: a restart does that, and checks it.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use diesel::RunQueryDsl as _;
use diesel::sqlite::SqliteConnection;

use super::error::DbError;
use super::url::DatabaseUrl;

/// The files of an open database.
pub(in crate::db) struct DatabaseFile {
    /// Path, device and inode of the database and of its log of writes.
    files: Vec<(PathBuf, (u64, u64))>,
    /// While a connection stays open, SQLite does not replace the log of writes.
    _anchor: Option<Mutex<SqliteConnection>>,
}

impl std::fmt::Debug for DatabaseFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.files).finish()
    }
}

impl DatabaseFile {
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    fn elsewhere() -> Self {
        Self {
            files: Vec::new(),
            _anchor: None,
        }
    }

    /// Of a database that has been opened.
    pub(in crate::db) fn of(url: &DatabaseUrl) -> Result<Self, DbError> {
        let failed = |cause: String| DbError::Open {
            url: url.to_string(),
            cause,
        };
        #[cfg_attr(
            not(any(feature = "mysql", feature = "postgres")),
            expect(
                clippy::infallible_destructuring_match,
                reason = "others in other builds"
            )
        )]
        let path = match url {
            DatabaseUrl::Sqlite(path) => path,
            // Where a server keeps its files is its own.
            #[cfg(feature = "mysql")]
            DatabaseUrl::Mysql(_) => return Ok(Self::elsewhere()),
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(_) => return Ok(Self::elsewhere()),
        };
        let mut anchor =
            <SqliteConnection as diesel::Connection>::establish(&path.to_string_lossy())
                .map_err(|error| failed(error.to_string()))?;
        // A connection counts once it has read.
        diesel::sql_query("SELECT COUNT(*) FROM sqlite_master")
            .execute(&mut anchor)
            .map_err(|error| failed(error.to_string()))?;
        let mut log = OsString::from(path);
        log.push("-wal");
        let mut files = vec![(
            path.clone(),
            identity(path).map_err(|error| failed(error.to_string()))?,
        )];
        let log = PathBuf::from(log);
        if let Ok(identity) = identity(&log) {
            files.push((log, identity));
        }
        Ok(Self {
            files,
            _anchor: Some(Mutex::new(anchor)),
        })
    }

    /// Fails when what is written now would not be found at the database's path.
    pub(in crate::db) fn check(&self) -> Result<(), DbError> {
        for (path, opened) in &self.files {
            let what = match identity(path) {
                Ok(found) if found == *opened => continue,
                Ok(_) => "is another file than the one that was opened".to_owned(),
                Err(error) if error.kind() == ErrorKind::NotFound => "is gone".to_owned(),
                Err(error) => error.to_string(),
            };
            return Err(DbError::Unavailable(format!(
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
