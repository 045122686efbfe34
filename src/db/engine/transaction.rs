//! Transactions that write, and snapshots that read.

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager};
use diesel::prelude::*;
use diesel::r2d2::R2D2Connection as _;
use diesel::result::{DatabaseErrorKind, Error};

use super::any_connection::AnyConnection;
use super::error::DbError;

/// Why a transaction was not committed.
#[derive(Debug)]
pub(crate) enum WriteFailure {
    /// It conflicted with another transaction, or lost its connection before the commit. Everything was rolled back, so
    /// a retry on another connection may succeed.
    Collision(DbError),
    /// The database is unreachable or read-only, so other queued writes would fail too. Nothing was committed, unless
    /// the connection broke during the commit: then the outcome is unknown.
    Unreachable(DbError),
    /// One of its writes failed.
    Refused(DbError),
}

impl WriteFailure {
    pub(crate) fn into_error(self) -> DbError {
        match self {
            Self::Collision(error) | Self::Unreachable(error) | Self::Refused(error) => error,
        }
    }
}

impl From<DbError> for WriteFailure {
    /// Errors outside the work itself: no connection, or a panic in a write.
    fn from(error: DbError) -> Self {
        match error {
            DbError::Panicked => Self::Refused(error),
            _ => Self::Unreachable(error),
        }
    }
}

/// How a writing transaction begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Begin {
    pub(crate) lock: WriteLock,
    /// Whether one statement begins the transaction and takes the lock. For [`WriteLock::TakenByClaims`] that statement
    /// is the claims.
    pub(crate) at_once: bool,
}

impl From<WriteLock> for Begin {
    fn from(lock: WriteLock) -> Self {
        Self {
            lock,
            at_once: false,
        }
    }
}

type Manager = <AnyConnection as Connection>::TransactionManager;

/// What may run concurrently with a writing transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteLock {
    /// No other writer runs, on any server. Ids then follow commit order, so a reader that has seen an id has missed none below it.
    Held,
    /// As `Held`, but the transaction's first statement claims requests. It also takes the lock where that saves a
    /// round trip.
    TakenByClaims,
    /// Other writers may run. A machine failure may lose the last commits, which can be redone. Not used on SQLite.
    NotNeeded,
}

/// Runs `work` in a transaction and commits it.
pub(crate) fn write<T>(
    connection: &mut AnyConnection,
    how: impl Into<Begin>,
    work: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
) -> Result<T, WriteFailure> {
    if let Err(error) = begin(connection, how.into()) {
        let is_there = answers(connection);
        return Err(match WriteFailure::of(error, is_there) {
            WriteFailure::Refused(error) => WriteFailure::Unreachable(error),
            failure => failure,
        });
    }
    let open = Open(connection);
    let done = work(open.0);
    drop(open);
    match done {
        Ok(done) => match commit(connection) {
            Ok(()) => Ok(done),
            Err(error) if answers(connection) => Err(WriteFailure::of(error, true)),
            // The outcome of the commit is unknown.
            Err(error) => Err(WriteFailure::Unreachable(error.into())),
        },
        Err(error) => {
            // If the rollback fails, the connection is lost and the server rolls back.
            let is_there = roll_back(connection).is_ok() || is_file(connection);
            Err(WriteFailure::of(error, is_there))
        }
    }
}

/// Rolls the transaction back on a panic.
struct Open<'a>(&'a mut AnyConnection);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = roll_back(self.0);
        }
    }
}

fn commit(connection: &mut AnyConnection) -> QueryResult<()> {
    match connection {
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => super::mysql::commit(connection),
        connection => Manager::commit_transaction(connection),
    }
}

fn roll_back(connection: &mut AnyConnection) -> QueryResult<()> {
    match connection {
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => super::mysql::roll_back(connection),
        connection => Manager::rollback_transaction(connection),
    }
}

/// Sets the savepoint for [`return_to_savepoint`].
pub(crate) fn set_savepoint(connection: &mut AnyConnection) -> QueryResult<()> {
    connection.batch_execute("SAVEPOINT messagebox_step")
}

/// Keeps the changes since the savepoint.
pub(crate) fn release_savepoint(connection: &mut AnyConnection) -> QueryResult<()> {
    connection.batch_execute("RELEASE SAVEPOINT messagebox_step")
}

/// Discards the changes since the savepoint.
pub(crate) fn return_to_savepoint(connection: &mut AnyConnection) -> QueryResult<()> {
    connection.batch_execute("ROLLBACK TO SAVEPOINT messagebox_step")?;
    release_savepoint(connection)
}

const fn is_file(connection: &AnyConnection) -> bool {
    matches!(connection, AnyConnection::Sqlite(_))
}

/// Whether the connection still works. A connection to a file always does.
fn answers(connection: &mut AnyConnection) -> bool {
    is_file(connection)
        || !Manager::is_broken_transaction_manager(connection) && connection.ping().is_ok()
}

/// Begins a transaction and waits for the current writer, in one message to the server: later writers wait for it.
fn begin(connection: &mut AnyConnection, begin: Begin) -> QueryResult<()> {
    #[cfg(not(any(feature = "mysql", feature = "postgres")))]
    let _ = begin;
    match connection {
        AnyConnection::Sqlite(connection) => begin_with(connection, "BEGIN IMMEDIATE"),
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => super::mysql::begin(connection, begin),
        // The lock number is arbitrary; nothing else in the database uses it.
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => begin_with(
            connection,
            match begin.lock {
                // The writer's statements use one index lookup per key. Stale statistics of a small table would make
                // the planner prefer a full scan.
                WriteLock::Held | WriteLock::TakenByClaims => {
                    "BEGIN; SET LOCAL plan_cache_mode TO force_generic_plan; SET LOCAL enable_seqscan TO off; \
                     SET LOCAL enable_hashjoin TO off; SET LOCAL enable_mergejoin TO off; \
                     SELECT pg_advisory_xact_lock(x'6d657373616765'::bigint)"
                }
                WriteLock::NotNeeded => "BEGIN; SET LOCAL synchronous_commit TO OFF",
            },
        ),
    }
}

/// Whether a transaction that has just begun already holds the lock.
pub(crate) const fn has_lock(connection: &AnyConnection, begin: Begin) -> bool {
    match (connection, begin.lock) {
        #[cfg(feature = "mysql")]
        (AnyConnection::Mysql(_), WriteLock::TakenByClaims) => false,
        (_, WriteLock::NotNeeded) => false,
        _ => true,
    }
}

fn begin_with<C>(connection: &mut C, sql: &str) -> QueryResult<()>
where
    C: Connection<TransactionManager = AnsiTransactionManager>,
{
    let begun = AnsiTransactionManager::begin_transaction_sql(connection, sql);
    if begun.is_err() {
        // The transaction may have begun before the error.
        let _ = connection.batch_execute("ROLLBACK");
    }
    begun
}

/// Runs `read` on a consistent snapshot, whatever other connections write.
pub(crate) fn snapshot<T, E: From<Error>>(
    connection: &mut AnyConnection,
    read: impl FnOnce(&mut AnyConnection) -> Result<T, E>,
) -> Result<T, E> {
    match connection {
        AnyConnection::Sqlite(connection) => begin_with(connection, "BEGIN"),
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => begin_with(
            connection,
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; \
             START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        ),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => begin_with(
            connection,
            "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        ),
    }?;
    let done = read(connection);
    // A read leaves nothing to commit.
    let _ = Manager::rollback_transaction(connection);
    done
}

impl WriteFailure {
    /// Classifies a failure before the commit. `is_there`: whether the connection still works.
    fn of(error: Error, is_there: bool) -> Self {
        if !is_there || is_collision(&error) {
            // Everything was rolled back, so a retry on another connection may succeed.
            Self::Collision(error.into())
        } else if is_read_only(&error) {
            Self::Unreachable(error.into())
        } else {
            Self::Refused(error.into())
        }
    }
}

/// Whether a transaction conflicted with another. diesel has no error kind for PostgreSQL's 40P01, nor for MySQL's
/// errors in multi-statements.
fn is_collision(error: &Error) -> bool {
    match error {
        Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        Error::DatabaseError(DatabaseErrorKind::Unknown, text) => {
            text.message().to_lowercase().contains("deadlock")
        }
        _ => false,
    }
}

/// Whether a server refuses writes. PostgreSQL reports 25006. MySQL reports 1036, 1223, 1290, 1792 or 1836, and a
/// Galera node without quorum 1047. Sessions use English messages.
pub(crate) fn is_read_only(error: &Error) -> bool {
    const SIGNS: [&str; 4] = [
        "read-only",
        "read only",
        "conflicting read lock",
        "not yet prepared node",
    ];
    match error {
        Error::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => true,
        // Other kinds of errors quote the written data.
        Error::DatabaseError(DatabaseErrorKind::Unknown, text) => {
            let text = text.message().to_lowercase();
            SIGNS.iter().any(|sign| text.contains(sign))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: DatabaseErrorKind, text: &str) -> Error {
        Error::DatabaseError(kind, Box::new(text.to_owned()))
    }

    #[test]
    fn read_only_servers_are_told_by_their_answers() {
        use DatabaseErrorKind::{ReadOnlyTransaction, UniqueViolation, Unknown};
        for text in [
            "The MariaDB server is running with the --read-only option so it cannot execute this statement",
            "The MySQL server is running with the --super-read-only option so it cannot execute this statement",
            "Running in read-only mode",
            "Table 'messages' is read only",
            "Can't execute the query because you have a conflicting read lock",
            "WSREP has not yet prepared node for application use",
        ] {
            assert!(is_read_only(&error(Unknown, text)), "{text}");
        }
        assert!(is_read_only(&error(ReadOnlyTransaction, "25006, 1792")));
        let quoted = "Duplicate entry 'read-only' for key 'messages_of_recipient'";
        assert!(!is_read_only(&error(UniqueViolation, quoted)));
        assert!(!is_read_only(&Error::NotFound));
    }

    #[test]
    fn what_was_taken_back_is_tried_again_and_a_server_without_writes_is_left() {
        let of =
            |text, is_there| WriteFailure::of(error(DatabaseErrorKind::Unknown, text), is_there);
        assert!(matches!(of("anything", false), WriteFailure::Collision(_)));
        assert!(matches!(
            of("Deadlock found", true),
            WriteFailure::Collision(_)
        ));
        let read_only = of("Running in read-only mode", true);
        assert!(matches!(read_only, WriteFailure::Unreachable(_)));
        assert!(matches!(of("anything", true), WriteFailure::Refused(_)));
    }
}
