//! Detects a SQLite file that was copied without its write-ahead log.
//!
//! The newest commits stay in the log (`-wal`) until a checkpoint. A copy of the file alone opens without an error, but
//! lacks them. So the file carries the mark [`EXPECTED`], and a later commit in the log clears it. File and log
//! together show no mark; the file alone does, which means that its log is missing. A copy made by SQLite shows no mark
//! either, because SQLite reads both. The mark is the database's `user_version`, a field reserved for applications.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::Integer;
use diesel::sqlite::SqliteConnection;

/// The file has a log.
const EXPECTED: i32 = 1_835_139_073;

/// The log was missing at a start, and no operator has acknowledged that.
const MISSING: i32 = 1_835_139_074;

/// The path of a database's log.
pub(crate) fn log_of(path: &Path) -> PathBuf {
    let mut log = OsString::from(path);
    log.push("-wal");
    PathBuf::from(log)
}

/// Whether the log is non-empty. Call it before the first connection, which creates an empty log.
pub(crate) fn has_log(path: &Path) -> bool {
    std::fs::metadata(log_of(path)).is_ok_and(|log| log.len() > 0)
}

/// Checks whether the log is missing, and stores the result for later starts. `had_log`: the result of [`has_log`].
pub(crate) fn find_missing(connection: &mut SqliteConnection, had_log: bool) -> QueryResult<bool> {
    match mark(connection)? {
        MISSING => Ok(true),
        EXPECTED if !had_log => {
            set_missing(connection)?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Whether a missing log has not been acknowledged yet.
pub(crate) fn is_missing(connection: &mut SqliteConnection) -> QueryResult<bool> {
    Ok(mark(connection)? == MISSING)
}

/// Acknowledges a missing log. Returns whether one was missing.
pub(crate) fn acknowledge(connection: &mut SqliteConnection) -> QueryResult<bool> {
    let is_marked = matches!(mark(connection)?, MISSING | EXPECTED);
    if is_marked {
        clear(connection)?;
    }
    Ok(is_marked)
}

/// Marks the file as having a log. Each checkpoint clears the mark, so this runs periodically.
pub(crate) fn expect_log(connection: &mut SqliteConnection) -> QueryResult<()> {
    // Keep another program's mark, and the mark of a missing log.
    if !matches!(mark(connection)?, 0 | EXPECTED) {
        return Ok(());
    }
    // Checkpoint first to keep the mark short-lived: a copy by SQLite would include it.
    move_some(connection)?;
    set_expected(connection)?;
    let moved = move_some(connection);
    // Clear the mark even if the checkpoint failed.
    clear(connection)?;
    moved
}

/// Checkpoints the whole log. Returns whether the log is empty.
pub(crate) fn empty_log(connection: &mut SqliteConnection) -> QueryResult<bool> {
    if mark(connection)? == EXPECTED {
        clear(connection)?;
    }
    move_all(connection)
}

#[derive(QueryableByName)]
struct Mark {
    #[diesel(sql_type = Integer)]
    user_version: i32,
}

fn mark(connection: &mut SqliteConnection) -> QueryResult<i32> {
    let mark: Mark = diesel::sql_query("PRAGMA user_version").get_result(connection)?;
    Ok(mark.user_version)
}

fn set_expected(connection: &mut SqliteConnection) -> QueryResult<()> {
    connection.batch_execute("PRAGMA user_version = 1835139073")
}

fn set_missing(connection: &mut SqliteConnection) -> QueryResult<()> {
    connection.batch_execute("PRAGMA user_version = 1835139074")
}

fn clear(connection: &mut SqliteConnection) -> QueryResult<()> {
    connection.batch_execute("PRAGMA user_version = 0")
}

#[derive(QueryableByName)]
struct Checkpoint {
    #[diesel(sql_type = Integer)]
    busy: i32,
}

/// Checkpoints the pages that no reader needs. Never waits.
fn move_some(connection: &mut SqliteConnection) -> QueryResult<()> {
    let moved = diesel::sql_query("PRAGMA wal_checkpoint(PASSIVE)");
    moved.get_result::<Checkpoint>(connection).map(drop)
}

/// Checkpoints everything and truncates the log. Returns whether it succeeded.
fn move_all(connection: &mut SqliteConnection) -> QueryResult<bool> {
    let moved: Checkpoint =
        diesel::sql_query("PRAGMA wal_checkpoint(TRUNCATE)").get_result(connection)?;
    Ok(moved.busy == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::engine::sqlite;
    use std::time::Duration;

    fn open(path: &Path) -> SqliteConnection {
        sqlite::connect(path, Duration::from_secs(5)).unwrap()
    }

    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = Integer)]
        count: i32,
    }

    fn count(connection: &mut SqliteConnection) -> i32 {
        let count = diesel::sql_query("SELECT COUNT(*) AS count FROM t");
        count.get_result::<Count>(connection).unwrap().count
    }

    /// Creates a database with one row, copies its file, and copies file and log.
    fn copied(folder: &Path, copies: [&str; 2]) -> SqliteConnection {
        let path = folder.join("x.db");
        let mut connection = open(&path);
        connection.batch_execute("CREATE TABLE t (x)").unwrap();
        expect_log(&mut connection).unwrap();
        connection
            .batch_execute("INSERT INTO t VALUES (1)")
            .unwrap();
        for name in copies {
            std::fs::copy(&path, folder.join(name)).unwrap();
        }
        std::fs::copy(log_of(&path), log_of(&folder.join(copies[1]))).unwrap();
        connection
    }

    #[test]
    fn a_copy_without_its_log_is_noticed_until_it_is_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let mut used = copied(folder.path(), ["alone.db", "whole.db"]);
        let start = |name: &str| {
            let path = folder.path().join(name);
            let had_log = has_log(&path);
            let mut connection = open(&path);
            let is_missing = find_missing(&mut connection, had_log).unwrap();
            assert_eq!(super::is_missing(&mut connection).unwrap(), is_missing);
            // As a server does.
            expect_log(&mut connection).unwrap();
            (connection, is_missing)
        };
        let (mut whole, is_missing) = start("whole.db");
        assert!(!is_missing && count(&mut whole) == 1);
        for _ in 0..2 {
            let (mut alone, is_missing) = start("alone.db");
            assert!(is_missing && count(&mut alone) == 0);
        }
        let (mut alone, _) = start("alone.db");
        assert!(acknowledge(&mut alone).unwrap() && !acknowledge(&mut alone).unwrap());
        drop(alone);
        assert!(!start("alone.db").1);
        // A copy by SQLite is complete.
        let copy = folder.path().join("vacuumed.db");
        let vacuum = diesel::sql_query("VACUUM INTO ?");
        let vacuum = vacuum.bind::<diesel::sql_types::Text, _>(copy.to_str().unwrap());
        vacuum.execute(&mut used).unwrap();
        let (mut copy, is_missing) = start("vacuumed.db");
        assert!(!is_missing && count(&mut copy) == 1);
    }

    #[test]
    fn a_database_whose_log_was_emptied_is_whole_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let mut used = copied(folder.path(), ["before.db", "whole.db"]);
        assert!(empty_log(&mut used).unwrap());
        let path = folder.path().join("x.db");
        assert!(!has_log(&path));
        let copy = folder.path().join("copy.db");
        std::fs::copy(&path, &copy).unwrap();
        let mut copy = open(&copy);
        assert!(!find_missing(&mut copy, false).unwrap());
        assert_eq!(count(&mut copy), 1);
    }

    #[test]
    fn a_mark_of_another_program_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = open(&folder.path().join("x.db"));
        connection.batch_execute("PRAGMA user_version = 7").unwrap();
        expect_log(&mut connection).unwrap();
        assert!(!find_missing(&mut connection, false).unwrap());
        assert!(!acknowledge(&mut connection).unwrap());
        assert_eq!(mark(&mut connection).unwrap(), 7);
    }
}
