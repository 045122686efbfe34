//! Rewriting a SQLite file without the space that nothing uses.

use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use thiserror::Error;

use super::connection::DbSettings;
use super::error::DbError;
use super::sqlite::{self, Space};
use super::url::DatabaseUrl;

/// Bytes of a database that are rewritten in a second, at least, on a disk of today.
const BYTES_PER_SECOND: u64 = 40_000_000;

/// How long another program's lock is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why a database was not compacted.
#[derive(Debug, Error)]
pub enum CompactError {
    /// There is no such SQLite file.
    #[error("there is no database at {0}: name the one that is to be compacted (DATABASE_URL)")]
    NoDatabase(String),
    /// Another program has the file open.
    #[error("{0} is in use: stop the server, then compact")]
    InUse(String),
    /// The disk lacks the room for the copy.
    #[error(
        "compacting {url} needs {needed} bytes in {folder}, which has {available}: make room there, then compact"
    )]
    NoRoom {
        /// The database.
        url: String,
        /// Where the copy is made.
        folder: String,
        /// Bytes that the copy and its log take.
        needed: u64,
        /// Bytes that are free.
        available: u64,
    },
    /// It is not a file.
    #[error("{0}")]
    Server(&'static str),
    /// The disk does not say how much room it has.
    #[error("{folder}: {cause}")]
    Disk {
        /// Where the copy is made.
        folder: String,
        /// What went wrong.
        cause: std::io::Error,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DbError),
}

#[cfg(feature = "mysql")]
const MYSQL: &str = "nothing was done: MySQL and MariaDB use free space again by themselves. To give it back to the disk, run \
                     `OPTIMIZE TABLE messages` with their client. It copies the table, so it needs as much free space as the table has";

#[cfg(feature = "postgres")]
const POSTGRES: &str = "nothing was done: PostgreSQL uses free space again by itself (autovacuum). To give it back to the disk, stop the \
                        servers and run `VACUUM (FULL, ANALYZE) messages` in psql. It copies the table, so it needs as much free \
                        space as the table has";

/// What compacting a database takes, and what it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactPlan {
    url: String,
    path: PathBuf,
    /// Where the copy is made: the folder of the file.
    pub folder: PathBuf,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes that will be left, at most.
    pub bytes_left: u64,
    /// Bytes that are needed beside the file meanwhile.
    pub bytes_needed: u64,
    /// Bytes that are free there.
    pub bytes_available: u64,
    /// How long it takes, at most, on a disk of today.
    pub time: Duration,
}

impl CompactPlan {
    /// Reads how large the database is. Nothing is changed, and servers may go on working.
    ///
    /// # Errors
    /// [`CompactError`].
    pub fn of(settings: &DbSettings) -> Result<Self, CompactError> {
        let url = settings.url.to_string();
        #[cfg_attr(
            not(any(feature = "mysql", feature = "postgres")),
            expect(
                clippy::infallible_destructuring_match,
                reason = "others in other builds"
            )
        )]
        let path = match &settings.url {
            DatabaseUrl::Sqlite(path) => path,
            #[cfg(feature = "mysql")]
            DatabaseUrl::Mysql(_) => return Err(CompactError::Server(MYSQL)),
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(_) => return Err(CompactError::Server(POSTGRES)),
        };
        if !path.exists() {
            return Err(CompactError::NoDatabase(url));
        }
        let space = Space::of(&mut connect(path, &url)?).map_err(DbError::from)?;
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let bytes_left = space.bytes(space.pages - space.free);
        Ok(Self {
            folder: folder.to_owned(),
            path: path.clone(),
            bytes: space.bytes(space.pages),
            bytes_left,
            // The copy, and once more in the log of writes.
            bytes_needed: bytes_left.saturating_mul(2),
            bytes_available: available(folder).map_err(|cause| CompactError::Disk {
                folder: folder.display().to_string(),
                cause,
            })?,
            time: Duration::from_secs(bytes_left / BYTES_PER_SECOND + 1),
            url,
        })
    }

    /// Rewrites the file. From then on it gives back free space by itself. Says how many bytes are left. Where it breaks off,
    /// the file is as it was.
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
        let space = Space::of(&mut connection).map_err(DbError::from)?;
        Ok(space.bytes(space.pages))
    }
}

fn connect(path: &Path, url: &str) -> Result<SqliteConnection, DbError> {
    sqlite::connect(path, PATIENCE).map_err(|error| DbError::Open {
        url: url.to_owned(),
        cause: error.to_string(),
    })
}

/// Locks everybody else out until the connection is closed; `false` where another program has the file open. It may not
/// even read: every connection to a file with a log of writes keeps that from being closed.
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

/// Bytes that a program may still write there.
fn available(folder: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of an earlier release, with much that nothing uses.
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
        assert!(Space::of(&mut connection).unwrap().can_shrink());
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
        // The other goes on.
        other
            .batch_execute("INSERT INTO kept VALUES ('y')")
            .unwrap();
        drop(other);
        let mut alone = connect(&plan.path, &plan.url).unwrap();
        assert_eq!(hold_alone(&mut alone), Ok(true));
        // Nobody comes in between.
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
