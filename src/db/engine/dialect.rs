//! What the databases say differently: beginning to write, and inserting what may be there already.

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager};
use diesel::prelude::*;
use diesel::r2d2::R2D2Connection as _;
use diesel::result::{DatabaseErrorKind, Error};

use super::any_connection::AnyConnection;
use super::error::DbError;

/// Runs a statement on the connection that there is, past the common one: that one takes some microseconds for each
/// statement, which counts where it is run for every message.
macro_rules! directly {
    ($connection:expr, $inner:ident => $run:expr) => {{
        use $crate::db::engine::any_connection::AnyConnection;
        match $connection {
            AnyConnection::Sqlite($inner) => $run,
            #[cfg(feature = "mysql")]
            AnyConnection::Mysql($inner) => $run,
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres($inner) => $run,
        }
    }};
}
pub(in crate::db) use directly;

/// Inserts a row unless one is there that has the same values in `$unique`; says whether it did.
///
/// A macro, because each database has its own type for the same statement.
macro_rules! insert_unless_there {
    ($connection:expr, $table:expr, $row:expr, $unique:expr) => {{
        use $crate::db::engine::any_connection::AnyConnection;
        let insert = diesel::insert_into($table).values($row);
        let inserted: diesel::QueryResult<usize> = match $connection {
            AnyConnection::Sqlite(connection) => {
                let insert = insert.on_conflict($unique).do_nothing();
                insert.execute(connection)
            }
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres(connection) => {
                let insert = insert.on_conflict($unique).do_nothing();
                insert.execute(connection)
            }
            // Ignoring would ignore more than this, and cut texts that are too long; the transaction goes on.
            #[cfg(feature = "mysql")]
            AnyConnection::Mysql(connection) => match insert.execute(connection) {
                Err(diesel::result::Error::DatabaseError(
                    diesel::result::DatabaseErrorKind::UniqueViolation,
                    _,
                )) => Ok(0),
                inserted => inserted,
            },
        };
        inserted.map(|rows| rows > 0)
    }};
}
pub(in crate::db) use insert_unless_there;

/// Why a transaction was not committed.
#[derive(Debug)]
pub(in crate::db) enum Failure {
    /// It was in another's way, or its connection was lost before the commit. Everything of it is taken back: the same may
    /// work at once, on another connection.
    Collision(DbError),
    /// The database was not to be had, or takes no writes now: whatever else waits would fare no better. None of it holds,
    /// unless the connection broke while it was committed, which nobody can tell.
    Unreachable(DbError),
    /// One of its writes cannot be done.
    Refused(DbError),
}

impl Failure {
    pub(in crate::db) fn into_error(self) -> DbError {
        match self {
            Self::Collision(error) | Self::Unreachable(error) | Self::Refused(error) => error,
        }
    }
}

impl From<DbError> for Failure {
    /// What happens outside of the work: no connection, or a panic in one of the writes.
    fn from(error: DbError) -> Self {
        match error {
            DbError::Panicked => Self::Refused(error),
            _ => Self::Unreachable(error),
        }
    }
}

/// How a transaction that writes begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::db) struct Begin {
    pub(in crate::db) lock: WriteLock,
    /// Whether one statement begins it and takes the lock. Where claims take it, they are this statement.
    pub(in crate::db) at_once: bool,
}

impl From<WriteLock> for Begin {
    fn from(lock: WriteLock) -> Self {
        Self {
            lock,
            at_once: false,
        }
    }
}

/// Whether one statement can begin a transaction and take the lock, where others take two.
pub(in crate::db) fn can_begin_at_once(connection: &mut AnyConnection) -> QueryResult<bool> {
    match connection {
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => super::mysql::is_mariadb(connection),
        _ => Ok(false),
    }
}

type Manager = <AnyConnection as Connection>::TransactionManager;

/// What else may go on while a transaction writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::db) enum WriteLock {
    /// Nobody else writes, not from other servers either. So ids have the order of commits: who has read up to one has
    /// missed none below it.
    Held,
    /// The same. The claims of requests are the first statement of the transaction, and take it where that saves a round trip.
    TakenByClaims,
    /// Others write too. What is lost when the database's machine fails can be done again. SQLite has no such thing.
    NotNeeded,
}

/// Runs `work` in a transaction and commits it.
pub(in crate::db) fn write<T>(
    connection: &mut AnyConnection,
    how: impl Into<Begin>,
    work: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
) -> Result<T, Failure> {
    if let Err(error) = begin(connection, how.into()) {
        let is_there = answers(connection);
        return Err(match Failure::of(error, is_there) {
            Failure::Refused(error) => Failure::Unreachable(error),
            failure => failure,
        });
    }
    let open = Open(connection);
    let done = work(open.0);
    drop(open);
    match done {
        Ok(done) => match commit(connection) {
            Ok(()) => Ok(done),
            Err(error) if answers(connection) => Err(Failure::of(error, true)),
            // Whether it was committed nobody can tell.
            Err(error) => Err(Failure::Unreachable(error.into())),
        },
        Err(error) => {
            // Where this fails, the connection is lost, and the server takes everything back.
            let is_there = roll_back(connection).is_ok() || is_file(connection);
            Err(Failure::of(error, is_there))
        }
    }
}

/// A transaction that is taken back by a panic.
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

/// Marks the place in a transaction to which [`return_to_savepoint`] takes it back.
pub(in crate::db) fn set_savepoint(connection: &mut AnyConnection) -> QueryResult<()> {
    connection.batch_execute("SAVEPOINT messagebox_step")
}

/// Keeps what was done since the savepoint.
pub(in crate::db) fn release_savepoint(connection: &mut AnyConnection) -> QueryResult<()> {
    connection.batch_execute("RELEASE SAVEPOINT messagebox_step")
}

/// Takes back what was done since the savepoint.
pub(in crate::db) fn return_to_savepoint(connection: &mut AnyConnection) -> QueryResult<()> {
    connection.batch_execute("ROLLBACK TO SAVEPOINT messagebox_step")?;
    release_savepoint(connection)
}

const fn is_file(connection: &AnyConnection) -> bool {
    matches!(connection, AnyConnection::Sqlite(_))
}

/// Whether the connection is still there. One to a file always is.
fn answers(connection: &mut AnyConnection) -> bool {
    is_file(connection)
        || !Manager::is_broken_transaction_manager(connection) && connection.ping().is_ok()
}

/// Begins, and waits for whoever writes. In one message to the server: it is waited for by everybody behind it.
fn begin(connection: &mut AnyConnection, begin: Begin) -> QueryResult<()> {
    #[cfg(not(any(feature = "mysql", feature = "postgres")))]
    let _ = begin;
    match connection {
        AnyConnection::Sqlite(connection) => begin_with(connection, "BEGIN IMMEDIATE"),
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => super::mysql::begin(connection, begin),
        // Any number that nothing else in the database uses.
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => begin_with(
            connection,
            match begin.lock {
                // Statements of the writer step into an index for each of their keys; statistics of a table that was small
                // a moment ago say that reading all of it is cheaper.
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

/// Whether a transaction that has just begun has waited for the lock already.
pub(in crate::db) const fn has_lock(connection: &AnyConnection, begin: Begin) -> bool {
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
        // It may have begun and got no further.
        let _ = connection.batch_execute("ROLLBACK");
    }
    begun
}

/// Runs `read` on the database as it is now, whatever others write meanwhile.
pub(in crate::db) fn snapshot<T, E: From<Error>>(
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
    // There is nothing to keep.
    let _ = Manager::rollback_transaction(connection);
    done
}

/// Takes a lock that ends with the connection, unless another connection to this database has it; says whether it did. A file
/// has one server, which needs none.
pub(in crate::db) fn lock_recount(connection: &mut AnyConnection) -> QueryResult<bool> {
    match connection {
        AnyConnection::Sqlite(_) => Ok(true),
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => super::mysql::lock_recount(connection),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => super::postgres::lock_recount(connection),
    }
}

/// Lets a transaction wait for hours for what is not the database: a pipe, a slow disk.
pub(in crate::db) fn be_patient(connection: &mut AnyConnection) -> QueryResult<()> {
    match connection {
        AnyConnection::Sqlite(_) => Ok(()),
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => super::mysql::be_patient(connection),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => super::postgres::be_patient(connection),
    }
}

// Bytes of a text; all databases have this function.
diesel::define_sql_function! {
    fn octet_length(text: diesel::sql_types::Text) -> diesel::sql_types::Integer;
}

/// What a message's body takes, in bytes, as SQL; none where rows come one by one.
pub(in crate::db) fn body_bytes(connection: &AnyConnection) -> Option<&'static str> {
    match connection {
        AnyConnection::Sqlite(_) => None,
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(_) => Some("OCTET_LENGTH(`messages`.`body`)"),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => Some(r#"octet_length("messages"."body")::bigint"#),
    }
}

impl Failure {
    /// What a failure before the commit means. `is_there`: whether the connection still is.
    fn of(error: Error, is_there: bool) -> Self {
        if !is_there || is_collision(&error) {
            // Everything was taken back, so another connection may do the same.
            Self::Collision(error.into())
        } else if is_read_only(&error) {
            Self::Unreachable(error.into())
        } else {
            Self::Refused(error.into())
        }
    }
}

/// Whether a transaction was in another's way. PostgreSQL's 40P01 has no kind in diesel, and neither has anything that MySQL
/// says of several statements at once.
fn is_collision(error: &Error) -> bool {
    match error {
        Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        Error::DatabaseError(DatabaseErrorKind::Unknown, said) => {
            said.message().to_lowercase().contains("deadlock")
        }
        _ => false,
    }
}

/// Whether a server says that it takes no writes: 25006 of PostgreSQL; of MySQL 1036, 1223, 1290, 1792 and 1836, and 1047 of a
/// Galera node that has lost the others. Sessions have English messages.
pub(in crate::db) fn is_read_only(error: &Error) -> bool {
    const SIGNS: [&str; 4] = [
        "read-only",
        "read only",
        "conflicting read lock",
        "not yet prepared node",
    ];
    match error {
        Error::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => true,
        // Others quote what was to be written.
        Error::DatabaseError(DatabaseErrorKind::Unknown, said) => {
            let said = said.message().to_lowercase();
            SIGNS.iter().any(|sign| said.contains(sign))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: DatabaseErrorKind, said: &str) -> Error {
        Error::DatabaseError(kind, Box::new(said.to_owned()))
    }

    #[test]
    fn read_only_servers_are_told_by_their_answers() {
        use DatabaseErrorKind::{ReadOnlyTransaction, UniqueViolation, Unknown};
        for said in [
            "The MariaDB server is running with the --read-only option so it cannot execute this statement",
            "The MySQL server is running with the --super-read-only option so it cannot execute this statement",
            "Running in read-only mode",
            "Table 'messages' is read only",
            "Can't execute the query because you have a conflicting read lock",
            "WSREP has not yet prepared node for application use",
        ] {
            assert!(is_read_only(&error(Unknown, said)), "{said}");
        }
        assert!(is_read_only(&error(ReadOnlyTransaction, "25006, 1792")));
        let quoted = "Duplicate entry 'read-only' for key 'messages_of_recipient'";
        assert!(!is_read_only(&error(UniqueViolation, quoted)));
        assert!(!is_read_only(&Error::NotFound));
    }

    #[test]
    fn what_was_taken_back_is_tried_again_and_a_server_without_writes_is_left() {
        let of = |said, is_there| Failure::of(error(DatabaseErrorKind::Unknown, said), is_there);
        assert!(matches!(of("anything", false), Failure::Collision(_)));
        assert!(matches!(of("Deadlock found", true), Failure::Collision(_)));
        let read_only = of("Running in read-only mode", true);
        assert!(matches!(read_only, Failure::Unreachable(_)));
        assert!(matches!(of("anything", true), Failure::Refused(_)));
    }
}
