//! Settings of the store, and opening the database.

pub(crate) mod largest_message;
pub(crate) mod pool;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod pooler;
pub(crate) mod url;
pub(crate) mod version;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use diesel::r2d2::R2D2Connection as _;

use self::pool::DbPool;
use self::url::DatabaseUrl;
use self::version::refuse_newer;
use super::any_connection::AnyConnection;
use super::error::DbError;
use super::migrations::PendingMigration;
#[cfg(feature = "mysql")]
use super::mysql;
#[cfg(feature = "postgres")]
use super::postgres;
use super::{migrations, sqlite};
use crate::model::Quotas;

/// Settings of the store.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct DbSettings {
    pub url: DatabaseUrl,
    /// Reader threads. One more thread writes.
    pub read_threads: NonZeroUsize,
    /// Maximum number of queued writes.
    pub busy_timeout: Duration,
    /// Maximum bytes of messages in queued writes.
    pub max_queued_writes: usize,
    /// Maximum number of writes per transaction.
    pub max_queued_bytes: usize,
    /// Maximum number of queued reads.
    pub max_group: usize,
    /// Whether opening the database applies pending migrations.
    pub max_queued_reads: usize,
    /// Whether the server starts with pending migrations because an operator can apply them later.
    pub migrate: bool,
    /// Whether shutdown empties the write-ahead log of a SQLite file.
    pub takes_old_schema: bool,
    /// The operator's delivery fees by box, in satoshis. They override the table.
    pub checkpoint: bool,
    /// Whether the delivery fee is due once for each recipient of a message.
    pub delivery_fees: BTreeMap<String, u64>,
    /// Whether a message costs its delivery fee once for each recipient.
    pub delivery_fee_per_recipient: bool,
    /// How long messages live in single boxes, by box name.
    pub message_ttl: Option<Duration>,
    /// The storage quotas of each identity.
    pub retention: BTreeMap<String, Duration>,
    /// No message is stored when the database's disk has fewer free bytes; 0 turns the check off.
    pub quotas: Quotas,
    /// Free bytes of the disk of a database file below which no message is stored; 0: no matter how many.
    pub min_free_bytes: u64,
    /// How long a session lives after its last request.
    pub session_life: Duration,
    /// How long a session lives before its first request.
    pub pending_session_life: Duration,
    /// Whether notices carry message ids. This costs one statement per transaction.
    pub returns_ids: bool,
}

impl DbSettings {
    /// The default settings for this database.
    #[must_use]
    pub fn new(url: DatabaseUrl) -> Self {
        Self {
            url,
            read_threads: NonZeroUsize::new(2).unwrap_or(NonZeroUsize::MIN),
            busy_timeout: Duration::from_secs(5),
            max_queued_writes: 10_000,
            max_queued_bytes: 256 * 1024 * 1024,
            max_group: 512,
            max_queued_reads: 2048,
            migrate: true,
            takes_old_schema: true,
            checkpoint: true,
            delivery_fees: BTreeMap::new(),
            delivery_fee_per_recipient: false,
            message_ttl: None,
            retention: BTreeMap::new(),
            quotas: Quotas::NONE,
            min_free_bytes: 0,
            session_life: Duration::from_secs(3_600),
            pending_session_life: Duration::from_secs(300),
            returns_ids: false,
        }
    }
}

#[derive(Debug)]
pub(crate) struct DbConnector {
    url: DatabaseUrl,
    busy_timeout: Duration,
}

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl DbConnector {
    fn new(settings: &DbSettings) -> Self {
        Self {
            url: settings.url.clone(),
            busy_timeout: settings.busy_timeout,
        }
    }

    pub(crate) fn open(&self) -> Result<AnyConnection, BoxError> {
        Ok(match &self.url {
            DatabaseUrl::Sqlite(path) => {
                AnyConnection::Sqlite(sqlite::connect(path, self.busy_timeout)?)
            }
            #[cfg(feature = "mysql")]
            DatabaseUrl::Mysql(url) => {
                AnyConnection::Mysql(mysql::connect(url, self.busy_timeout)?)
            }
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(url) => {
                AnyConnection::Postgres(postgres::connect(url, self.busy_timeout)?)
            }
        })
    }

    /// Opens the first connection, and refuses a pooler that shares sessions.
    fn open_first(&self) -> Result<AnyConnection, DbError> {
        let failed = |error: BoxError| DbError::Open {
            url: self.url.to_string(),
            cause: error.to_string(),
        };
        let first = self.open().map_err(failed)?;
        #[cfg(any(feature = "mysql", feature = "postgres"))]
        let first = pooler::refuse_shared_sessions(first, || self.open()).map_err(failed)?;
        Ok(first)
    }
}

/// Opens the database and applies pending migrations.
pub(crate) fn open(settings: &DbSettings) -> Result<DbPool, DbError> {
    let failed = |cause: String| DbError::Open {
        url: settings.url.to_string(),
        cause,
    };
    let connector = DbConnector::new(settings);
    // r2d2 retries until its timeout and hides the reason. A single connection reports it.
    let mut first = connector.open_first()?;
    let prepared = prepare(&mut first, settings.migrate);
    if prepared.is_err() && first.ping().is_err() {
        // Another server's migration may have closed the connection, so try once more.
        first = connector.open_first()?;
        prepare(&mut first, settings.migrate).map_err(failed)?;
    } else {
        prepared.map_err(failed)?;
    }
    if !settings.migrate {
        let pending = migrations::pending(&mut first)?.len();
        check_schema(settings, pending)?;
        if pending > 0 {
            log::warn!(
                "the database has pending migrations: apply them with POST /admin/migrate or `messagebox-server migrate`"
            );
        }
    }
    // One connection writes messages; on a database server, another one writes sessions.
    let is_server = has_session_writer(&settings.url);
    let writers = if is_server { 2 } else { 1 };
    let size = u32::try_from(settings.read_threads.get() + writers).unwrap_or(u32::MAX);
    DbPool::new(connector, size, settings.busy_timeout, is_server).map_err(failed)
}

/// Fails if migrations are pending and no operator can apply them.
fn check_schema(settings: &DbSettings, pending: usize) -> Result<(), DbError> {
    if pending == 0 || settings.migrate || settings.takes_old_schema {
        return Ok(());
    }
    Err(DbError::OldSchema {
        url: settings.url.to_string(),
        pending,
    })
}

/// Returns an error if the server would refuse the current schema. Reads the database only if migrating at start is
/// off.
///
/// # Errors
/// [`DbError`].
pub fn refuse_old_schema(settings: &DbSettings) -> Result<(), DbError> {
    if settings.migrate || settings.takes_old_schema {
        return Ok(());
    }
    check_schema(settings, pending_migrations(settings)?.len())
}

/// Checks that this binary supports the schema, and migrates it if asked.
fn prepare(connection: &mut AnyConnection, migrate: bool) -> Result<(), String> {
    refuse_newer(connection)?;
    if migrate {
        migrations::migrate_and_log(connection).map_err(|error| format!("migration: {error}"))?;
    }
    Ok(())
}

/// Whether sessions have their own writer. A SQLite file allows only one writer at a time.
pub(crate) const fn has_session_writer(url: &DatabaseUrl) -> bool {
    !matches!(url, DatabaseUrl::Sqlite(_))
}

/// Opens a single connection for commands that run without the server's pool.
pub(crate) fn by_hand(settings: &DbSettings) -> Result<AnyConnection, DbError> {
    DbConnector::new(settings).open_first()
}

/// The migrations that are not applied yet, in order. Nothing changes.
///
/// # Errors
/// [`DbError`].
pub fn pending_migrations(settings: &DbSettings) -> Result<Vec<PendingMigration>, DbError> {
    if let DatabaseUrl::Sqlite(path) = &settings.url
        && !path.exists()
    {
        return Ok(migrations::all_of_sqlite());
    }
    migrations::pending(&mut by_hand(settings)?)
}

/// Applies pending migrations and returns their names.
///
/// # Errors
/// [`DbError`].
pub fn apply_migrations(settings: &DbSettings) -> Result<Vec<String>, DbError> {
    migrations::migrate(&mut by_hand(settings)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use diesel::connection::SimpleConnection as _;
    use diesel::prelude::*;
    use diesel::sql_types::{BigInt, Text};
    use std::path::Path;

    #[test]
    fn every_connection_is_durable_and_checks_its_keys() {
        #[derive(QueryableByName)]
        struct Value {
            #[diesel(sql_type = BigInt)]
            value: i64,
        }
        #[derive(QueryableByName)]
        struct Mode {
            #[diesel(sql_type = Text)]
            mode: String,
        }
        let folder = tempfile::tempdir().unwrap();
        let settings = DbSettings::new(DatabaseUrl::Sqlite(folder.path().join("new/folder/x.db")));
        let pool = open(&settings).unwrap();
        let mut connections: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
        for connection in &mut connections {
            let query = |name: &str| format!("SELECT {name} AS value FROM pragma_{name}");
            for (name, expected) in [("synchronous", 2), ("foreign_keys", 1)] {
                let row: Value = diesel::sql_query(query(name))
                    .get_result(&mut ***connection)
                    .unwrap();
                assert_eq!(row.value, expected, "{name}");
            }
            let journal = "SELECT journal_mode AS mode FROM pragma_journal_mode";
            let row: Mode = diesel::sql_query(journal)
                .get_result(&mut ***connection)
                .unwrap();
            assert_eq!(row.mode, "wal");
        }
    }

    /// Checks the query plans of the stores' statements: each must use an index.
    #[test]
    fn what_is_looked_up_has_an_index() {
        #[derive(QueryableByName)]
        struct Step {
            #[diesel(sql_type = Text)]
            detail: String,
        }
        let folder = tempfile::tempdir().unwrap();
        let settings = DbSettings::new(DatabaseUrl::Sqlite(folder.path().join("x.db")));
        let mut pooled = open(&settings).unwrap().get().unwrap();
        let connection: &mut AnyConnection = &mut pooled;
        let permissions = r#"FROM "message_permissions" WHERE "recipient" = 'r'"#;
        let shapes = [
            format!(r#"SELECT * {permissions} AND "message_box" = 'b' AND ("sender" IS NULL OR "sender" = 's')"#),
            format!(r#"SELECT * {permissions} ORDER BY "message_box", "sender", "created_at" LIMIT 9"#),
            format!("SELECT COUNT(*) {permissions}"),
            r#"SELECT * FROM "server_fees" WHERE "message_box" = 'b'"#.to_owned(),
            r#"SELECT "id" FROM "messages" WHERE "expires_at" <= 't' ORDER BY "expires_at" LIMIT 9"#.to_owned(),
            r#"SELECT * FROM "messages" WHERE "messageBoxId" = 1 AND "recipient" = 'r' ORDER BY "id""#.to_owned(),
            r#"SELECT * FROM "messages" WHERE "recipient" = 'r' AND "messageId" = 'm'"#.to_owned(),
            r#"SELECT * FROM "device_registrations" WHERE "identity_key" = 'k'"#.to_owned(),
            r#"SELECT * FROM "payments" WHERE "payee" = 'p' AND "id" > 1 ORDER BY "id" LIMIT 9"#.to_owned(),
            r#"SELECT * FROM "payments" WHERE "txid" = 't' AND "output_index" = 0"#.to_owned(),
            r#"SELECT * FROM "payment_inputs" WHERE "txid" = 't' AND "output_index" = 0"#.to_owned(),
        ];
        for shape in shapes {
            let plan: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {shape}"))
                .load(connection)
                .unwrap();
            let steps: Vec<String> = plan.into_iter().map(|step| step.detail).collect();
            let scans = steps.iter().any(|step| step.starts_with("SCAN"));
            assert!(!scans, "{shape}: {steps:?}");
        }
    }

    #[test]
    fn what_cannot_be_opened_says_why_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let fails = |path: &Path, expected: &[&str]| {
            let settings = DbSettings {
                busy_timeout: Duration::from_millis(50),
                ..DbSettings::new(DatabaseUrl::Sqlite(path.into()))
            };
            let error = open(&settings).map(drop).unwrap_err().to_string();
            let begins = format!("cannot open the database sqlite://{}: ", path.display());
            assert!(error.starts_with(&begins), "{error}");
            for expected in expected {
                assert!(error.contains(expected), "{error}");
            }
        };
        fails(Path::new("/proc/no/such.db"), &["DATA_DIR"]);
        let text = folder.path().join("text");
        std::fs::write(&text, "this is no database, ".repeat(99)).unwrap();
        fails(&text, &["not a database", "name another file"]);
        let connect = |name: &str| {
            let path = folder.path().join(name);
            let connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
            (path, connection)
        };
        let (path, mut foreign) = connect("foreign");
        foreign.batch_execute("CREATE TABLE messages (x)").unwrap();
        fails(&path, &["already exists", "another program"]);
        let (path, mut locked) = connect("locked");
        locked
            .batch_execute("CREATE TABLE x (x); BEGIN EXCLUSIVE")
            .unwrap();
        fails(&path, &["locked", "DB_BUSY_TIMEOUT"]);
        let (path, mut newer) = connect("newer");
        drop(open(&DbSettings::new(DatabaseUrl::Sqlite(path.clone()))).unwrap());
        let later = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')";
        newer.batch_execute(later).unwrap();
        fails(&path, &["newer than this binary", "99990101000000"]);
    }
}
