//! Errors of the persistence layer, with advice for the operator.

use std::fmt::Display;

use thiserror::Error;

use crate::model::ClaimRefusal;

/// An error of any client library.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A failure of the persistence layer. Nothing was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DbError {
    /// The queue is full.
    #[error("the queue of writes is full")]
    Overloaded,
    /// A message is larger than the database's packet limit.
    #[error("the message exceeds the database's limit of {0} bytes (max_allowed_packet)")]
    TooLarge(usize),
    /// The database's disk has too little free space for more messages.
    #[error("the database's disk is nearly full: new messages are refused (DB_MIN_FREE_BYTES)")]
    LowDisk,
    /// The database is locked, full, read-only or unreachable.
    #[error("the database is unavailable: {cause}{advice}", cause = .0, advice = advice(.0))]
    Unavailable(String),
    /// A store function panicked. Its connection was replaced.
    #[error("a database operation failed unexpectedly")]
    Panicked,
    /// The request that the write belongs to was refused.
    #[error(transparent)]
    NotCounted(#[from] ClaimRefusal),
    /// The executor is stopping.
    #[error("the database is closed")]
    Closed,
    /// The URL names no database that this build supports.
    #[error("database url {url}: {expected}")]
    Url {
        /// The URL, without a password.
        url: String,
        expected: &'static str,
    },
    /// The file's write-ahead log is missing.
    #[error(
        "the database was copied without its write-ahead log (-wal) and lacks the newest messages: `messagebox-server \
         accept-database` accepts it as it is"
    )]
    NoLog,
    /// Migrations are pending, and the settings allow no way to apply them.
    #[error(
        "{url}: {pending} migrations are pending, and DB_MIGRATE_ON_START is false: run `messagebox-server migrate`, or set \
         MIGRATE_KEY and use POST /admin/migrate"
    )]
    OldSchema {
        /// The URL, without a password.
        url: String,
        /// Number of pending migrations.
        pending: usize,
    },
    /// Migrations are pending, and this command does not apply them.
    #[error("{url}: {pending} migrations are pending: run `messagebox-server migrate` first")]
    NotMigrated {
        /// The URL, without a password.
        url: String,
        /// Number of pending migrations.
        pending: usize,
    },
    /// The database could not be opened or migrated.
    #[error("cannot open the database {url}: {cause}{}", advice(cause))]
    Open {
        /// The URL, without a password.
        url: String,
        cause: String,
    },
}

impl DbError {
    /// The database at `url` cannot be opened.
    pub(crate) fn open(url: impl Display, cause: impl Display) -> Self {
        let (url, cause) = (url.to_string(), cause.to_string());
        Self::Open { url, cause }
    }

    /// The database cannot be used now.
    pub(crate) fn unavailable(cause: impl Display) -> Self {
        Self::Unavailable(cause.to_string())
    }
}

/// Advice for error texts of databases. The first match wins.
const ADVICE: &[(&str, &str)] = &[
    // Database servers. Their connection errors contain the address, so the specific reasons come first.
    ("Access denied for user", ACCESS),
    ("password authentication failed", ACCESS),
    ("no pg_hba.conf entry", ACCESS),
    ("permission denied for", ACCESS),
    ("command denied to user", ACCESS),
    ("Unknown database", DATABASE),
    ("too many clients", CONNECTIONS),
    ("remaining connection slots", CONNECTIONS),
    ("Too many connections", CONNECTIONS),
    (
        "the database system is starting up",
        "wait until it has started",
    ),
    ("--read-only", READ_ONLY),
    ("read-only transaction", READ_ONLY),
    ("READ ONLY transaction", READ_ONLY_SESSIONS),
    ("it is read-only", READ_ONLY),
    ("prepared statement \"", POOLER),
    (
        "'sql_require_primary_key' is set",
        "set sql_require_primary_key=OFF until the migrations are applied",
    ),
    ("No space left", "free space on its disk"),
    ("Disk full", "free space on its disk"),
    ("' is full", "free space on its disk"),
    ("doesn't exist", TABLES),
    ("Can't connect to", CONNECT),
    ("Lost connection", CONNECT),
    ("erver has gone away", CONNECT),
    ("Unknown server host", CONNECT),
    ("could not translate host name", CONNECT),
    ("server closed the connection", CONNECT),
    ("Connection refused", CONNECT),
    ("connection to server on socket", CONNECT),
    ("disk is full", "free space on its disk"),
    (
        "disk I/O error",
        "its disk has failed: check the kernel's log, and restart the server on a working disk",
    ),
    (
        "locked",
        "another program holds a lock on it: end that program, or increase DB_BUSY_TIMEOUT",
    ),
    (
        "readonly",
        "the server's user must be able to write to the file and to its folder, and the disk must not be mounted read-only",
    ),
    (
        "Read-only file system",
        "its disk is mounted read-only: mount it writable, or set DATA_DIR to another folder",
    ),
    (
        "already exists",
        "its tables belong to another program: set DATABASE_URL to another database",
    ),
    ("no such table", TABLES),
    (
        "not a database",
        "name another file (DATABASE_URL), or restore a backup",
    ),
    (
        "malformed",
        "it is corrupt: restore a backup, or recover readable rows with `sqlite3 <file> .recover`",
    ),
    ("unable to open", FOLDER),
    ("Permission denied", FOLDER),
    ("No such file", FOLDER),
    ("Not a directory", FOLDER),
];

const FOLDER: &str = "the folder must exist or be creatable, and the server's user must be able to write to it \
                      (DATA_DIR, DATABASE_URL)";

const ACCESS: &str =
    "set DATABASE_URL to a user with access and its password, or grant the missing privileges";

const DATABASE: &str = "create an empty database, or set DATABASE_URL to another: the server creates tables, but no databases";

const CONNECTIONS: &str =
    "raise the database's connection limit, or lower DB_MAX_CONNECTIONS of each server";

const READ_ONLY: &str =
    "set DATABASE_URL to a writable server, not a replica, or make it writable again";

const READ_ONLY_SESSIONS: &str = "set tx_read_only=0 (MySQL: transaction_read_only=0) for its sessions, or set DATABASE_URL to a writable \
                                  server";

const POOLER: &str = "a pooler such as PgBouncer shares sessions: set pool_mode=session there, or set DATABASE_URL to the \
                      database server itself";

const TABLES: &str =
    "its tables are missing: start with DB_MIGRATE_ON_START=true, or use POST /admin/migrate";

const CONNECT: &str =
    "start it, check its address in DATABASE_URL, and allow connections from this machine";

/// PostgreSQL's texts for missing databases, users and tables have the same ending.
const NOT_THERE: &[(&str, &str)] = &[
    ("database \"", DATABASE),
    ("role \"", ACCESS),
    ("relation \"", TABLES),
];

/// Returns advice for this error text, if there is any.
fn advice(cause: &str) -> String {
    let of_postgres = if cause.contains("\" does not exist") {
        NOT_THERE
    } else {
        &[]
    };
    let mut all = of_postgres.iter().chain(ADVICE);
    let known = all.find(|(text, _)| cause.contains(text));
    known.map_or_else(String::new, |(_, advice)| format!("; {advice}"))
}

impl From<diesel::result::Error> for DbError {
    fn from(error: diesel::result::Error) -> Self {
        Self::unavailable(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of MariaDB 10.11, MySQL 8.4, PostgreSQL 15 and their client libraries.
    #[test]
    fn what_servers_say_is_answered_with_what_to_do() {
        let socket = "connection to server on socket \"/run/.s.PGSQL.5432\" failed: No such file or directory\n\tIs the server running locally and accepting connections on that socket?";
        let at = "connection to server at \"db\" (10.0.0.1), port 5432 failed:";
        for (cause, expected) in [
            (
                "Access denied for user 'a'@'localhost' (using password: YES)",
                ACCESS,
            ),
            (
                "Access denied for user 'a'@'%' to database 'messages'",
                ACCESS,
            ),
            (
                "INSERT command denied to user 'a'@'db' for table `m`.`messages`",
                ACCESS,
            ),
            (
                &format!("{at} FATAL:  password authentication failed for user \"a\""),
                ACCESS,
            ),
            (
                &format!("{at} FATAL:  no pg_hba.conf entry for host \"10.0.0.2\", user \"a\""),
                ACCESS,
            ),
            (&format!("{at} FATAL:  role \"a\" does not exist"), ACCESS),
            ("permission denied for table messages", ACCESS),
            ("Unknown database 'messages'", DATABASE),
            (
                &format!("{at} FATAL:  database \"messages\" does not exist"),
                DATABASE,
            ),
            ("Too many connections", CONNECTIONS),
            (
                &format!("{at} FATAL:  sorry, too many clients already"),
                CONNECTIONS,
            ),
            (
                &format!(
                    "{at} FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute"
                ),
                CONNECTIONS,
            ),
            (
                "Can't connect to local server through socket '/run/mysqld/mysqld.sock' (2)",
                CONNECT,
            ),
            ("Can't connect to server on '10.0.0.1' (115)", CONNECT),
            ("Lost connection to server during query", CONNECT),
            ("Server has gone away", CONNECT),
            ("MySQL server has gone away", CONNECT),
            (&format!("{at} Connection refused"), CONNECT),
            (socket, CONNECT),
            (
                "could not translate host name \"db\" to address: Name or service not known",
                CONNECT,
            ),
            (
                "The MariaDB server is running with the --read-only option so it cannot execute this statement",
                READ_ONLY,
            ),
            (
                "cannot execute INSERT in a read-only transaction",
                READ_ONLY,
            ),
            (
                "could not extend file \"base/5/16385\": No space left on device",
                "free space on its disk",
            ),
            (
                "Disk full (/tmp/#sql-1); waiting for someone to free some space...",
                "free space on its disk",
            ),
            ("The table 'messages' is full", "free space on its disk"),
            ("Table 'm.messages' doesn't exist", TABLES),
            ("relation \"messages\" does not exist", TABLES),
            ("database or disk is full", "free space on its disk"),
            ("something else", ""),
        ] {
            let said = advice(cause);
            let given = said.strip_prefix("; ").unwrap_or_default();
            assert_eq!(given, expected, "{cause}");
        }
    }
}
