//! Rewrites a SQLite file to release its free pages.

use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use thiserror::Error;

use super::FilePages;
use super::disk::free_bytes;
use crate::db::engine::connect::settings::DbSettings;
use crate::db::engine::connect::url::DatabaseUrl;
use crate::db::engine::error::DbError;
use crate::db::engine::sqlite;

/// Minimum rewrite speed of a current disk, in bytes per second.
const BYTES_PER_SECOND: u64 = 40_000_000;

/// How long to wait for another program's lock.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why a database was not compacted.
#[derive(Debug, Error)]
pub enum CompactError {
    /// The SQLite file does not exist.
    #[error("there is no database at {0}: set DATABASE_URL to the database to compact")]
    NoDatabase(String),
    /// Another program has the file open.
    #[error("{0} is in use: stop the server, then compact")]
    InUse(String),
    /// The disk has too little free space for the copy.
    #[error(
        "compacting {url} needs {needed} bytes in {folder}, which has {available}: make room there, then compact"
    )]
    NoRoom {
        url: String,
        /// The folder where the copy is written.
        folder: String,
        /// Bytes for the copy and its log.
        needed: u64,
        available: u64,
    },
    /// The database is a server, which reuses free space itself.
    #[error("{0}")]
    Server(&'static str),
    /// The free space of the disk could not be read.
    #[error("{folder}: {cause}")]
    Disk {
        /// The folder where the copy is written.
        folder: String,
        cause: std::io::Error,
    },
    #[error(transparent)]
    Database(#[from] DbError),
}

#[cfg(feature = "mysql")]
const MYSQL: &str = "nothing was done: MySQL and MariaDB reuse free space themselves. To return it to the disk, run \
                     `OPTIMIZE TABLE messages` with their client. It copies the table, so it needs as much free space as the table has";

#[cfg(feature = "postgres")]
const POSTGRES: &str = "nothing was done: PostgreSQL reuses free space itself (autovacuum). To return it to the disk, stop the \
                        servers and run `VACUUM (FULL, ANALYZE) messages` in psql. It copies the table, so it needs as much free \
                        space as the table has";

/// The cost and the gain of compacting a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactPlan {
    url: String,
    path: PathBuf,
    /// The folder of the file, where the copy is written.
    pub folder: PathBuf,
    /// Size of the file, in bytes.
    pub bytes: u64,
    /// Maximum size after compaction, in bytes.
    pub bytes_left: u64,
    /// Bytes needed beside the file during compaction.
    pub bytes_needed: u64,
    /// Bytes free in the folder.
    pub bytes_available: u64,
    /// Estimated maximum duration on a current disk.
    pub time: Duration,
}

impl CompactPlan {
    /// Measures the database. Nothing changes, and servers may keep running.
    ///
    /// # Errors
    /// [`CompactError`].
    pub fn of(settings: &DbSettings) -> Result<Self, CompactError> {
        let url = settings.url.to_string();
        let (path, folder) = match &settings.url {
            #[cfg(feature = "mysql")]
            DatabaseUrl::Mysql(_) => return Err(CompactError::Server(MYSQL)),
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(_) => return Err(CompactError::Server(POSTGRES)),
            file @ DatabaseUrl::Sqlite(path) => (path, file.folder().unwrap_or(path)),
        };
        if !path.exists() {
            return Err(CompactError::NoDatabase(url));
        }
        let space = FilePages::of(&mut connect(path, &url)?).map_err(DbError::from)?;
        let bytes_left = space.bytes(space.pages - space.free);
        Ok(Self {
            folder: folder.to_owned(),
            path: path.clone(),
            bytes: space.bytes(space.pages),
            bytes_left,
            // The copy itself, and the same size again in the write-ahead log.
            bytes_needed: bytes_left.saturating_mul(2),
            bytes_available: free_bytes(folder).map_err(|cause| CompactError::Disk {
                folder: folder.display().to_string(),
                cause,
            })?,
            time: Duration::from_secs(bytes_left / BYTES_PER_SECOND + 1),
            url,
        })
    }

    /// Rewrites the file and returns its new size in bytes. From then on the file shrinks by itself. A failed run
    /// leaves the file unchanged.
    ///
    /// # Errors
    /// [`CompactError`].
    pub fn run(&self) -> Result<u64, CompactError> {
        if self.bytes_available < self.bytes_needed {
            return Err(CompactError::NoRoom {
                url: self.url.clone(),
                folder: self.folder.display().to_string(),
                needed: self.bytes_needed,
                available: self.bytes_available,
            });
        }
        let mut connection = connect(&self.path, &self.url)?;
        if !hold_alone(&mut connection).map_err(DbError::from)? {
            return Err(CompactError::InUse(self.url.clone()));
        }
        sqlite::rewrite(&mut connection, &self.folder).map_err(DbError::from)?;
        let space = FilePages::of(&mut connection).map_err(DbError::from)?;
        Ok(space.bytes(space.pages))
    }
}

fn connect(path: &Path, url: &str) -> Result<SqliteConnection, DbError> {
    sqlite::connect(path, PATIENCE).map_err(|error| DbError::open(url, error))
}

/// Locks out all other connections until this one closes. Returns `false` if another program has the file open, even to
/// read: each open connection keeps the write-ahead log from being closed.
fn hold_alone(connection: &mut SqliteConnection) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Mode {
        #[diesel(sql_type = Text)]
        journal_mode: String,
    }
    connection.batch_execute("PRAGMA locking_mode = EXCLUSIVE")?;
    let closed: QueryResult<Mode> =
        diesel::sql_query("PRAGMA journal_mode = DELETE").get_result(connection);
    match closed {
        Ok(mode) if mode.journal_mode == "delete" => {}
        Ok(_) => return Ok(false),
        Err(error) if error.to_string().contains("locked") => return Ok(false),
        Err(error) => return Err(error),
    }
    connection.batch_execute("PRAGMA journal_mode = WAL")?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of an earlier release with many free pages.
    fn earlier(folder: &Path) -> (DbSettings, SqliteConnection) {
        let path = folder.join("it's.db");
        let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        connection
            .batch_execute(
                "PRAGMA journal_mode = WAL; CREATE TABLE kept (x); INSERT INTO kept VALUES ('x'); \
                 CREATE TABLE gone (x); INSERT INTO gone VALUES (zeroblob(10000000)); DROP TABLE gone",
            )
            .unwrap();
        (DbSettings::new(DatabaseUrl::Sqlite(path)), connection)
    }

    #[test]
    fn a_file_is_compacted_and_shrinks_by_itself_from_then_on() {
        let folder = tempfile::tempdir().unwrap();
        let (settings, connection) = earlier(folder.path());
        drop(connection);
        let plan = CompactPlan::of(&settings).unwrap();
        assert!(plan.bytes > 10_000_000 && plan.bytes_left < 100_000);
        assert_eq!(plan.bytes_needed, plan.bytes_left * 2);
        assert!(plan.bytes_available > plan.bytes_needed);
        let left = plan.run().unwrap();
        assert!(left <= plan.bytes_left + 4_096, "{left}");
        let files = std::fs::read_dir(folder.path()).unwrap();
        let sizes: Vec<u64> = files
            .map(|file| file.unwrap().metadata().unwrap().len())
            .collect();
        assert_eq!(sizes, [left]);
        let mut connection = connect(&plan.path, &plan.url).unwrap();
        assert!(FilePages::of(&mut connection).unwrap().can_shrink());
        let kept =
            diesel::sql_query("INSERT INTO kept SELECT x FROM kept").execute(&mut connection);
        assert_eq!(kept, Ok(1));
    }

    #[test]
    fn a_file_that_is_open_elsewhere_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (settings, mut other) = earlier(folder.path());
        let plan = CompactPlan::of(&settings).unwrap();
        let in_use = plan.run().unwrap_err();
        assert!(matches!(in_use, CompactError::InUse(_)), "{in_use}");
        // The other connection still works.
        other
            .batch_execute("INSERT INTO kept VALUES ('y')")
            .unwrap();
        drop(other);
        let mut alone = connect(&plan.path, &plan.url).unwrap();
        assert_eq!(hold_alone(&mut alone), Ok(true));
        // No other program can open the file during the rewrite.
        let locked = sqlite::connect(&plan.path, Duration::ZERO)
            .map(drop)
            .unwrap_err();
        assert!(locked.to_string().contains("locked"), "{locked}");
        drop(alone);
        plan.run().unwrap();
    }

    #[test]
    fn a_disk_without_room_is_found_before_anything_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let (settings, connection) = earlier(folder.path());
        drop(connection);
        let mut plan = CompactPlan::of(&settings).unwrap();
        plan.bytes_available = plan.bytes_needed - 1;
        let error = plan.run().unwrap_err().to_string();
        for expected in [
            "it's.db needs",
            &plan.bytes_needed.to_string(),
            &plan.bytes_available.to_string(),
            "make room there",
        ] {
            assert!(error.contains(expected), "{error}");
        }
        let path = folder.path().join("missing.db");
        let missing = CompactPlan::of(&DbSettings::new(DatabaseUrl::Sqlite(path.clone())));
        assert!(matches!(missing, Err(CompactError::NoDatabase(_))));
        assert!(!path.exists());
    }
}
