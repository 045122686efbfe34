//! Which database, and how its connections are opened. The file for differences between databases.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool};
use diesel::sqlite::SqliteConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use super::error::DbError;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

pub(super) type DbConnection = SqliteConnection;
pub(super) type DbBackend = diesel::sqlite::Sqlite;
pub(super) type DbPool = Pool<ConnectionManager<DbConnection>>;

/// Where the messages are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A SQLite file.
    Sqlite(PathBuf),
}

impl DatabaseUrl {
    /// Reads `sqlite://path`, `sqlite:path`, `file:path`, or a bare path.
    ///
    /// # Errors
    /// [`DbError::Url`] for a database that this build does not have, and for one in memory, which would lose
    /// what was acknowledged.
    pub fn parse(url: &str) -> Result<Self, DbError> {
        let refuse = |expected| {
            Err(DbError::Url {
                url: mask(url),
                expected,
            })
        };
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        if matches!(
            scheme,
            Some("mysql" | "mariadb" | "postgres" | "postgresql")
        ) {
            return refuse(
                "MySQL and PostgreSQL are not in this build; use sqlite://path/to/file.db",
            );
        }
        let path = ["sqlite://", "sqlite3://", "sqlite:", "file:"]
            .iter()
            .find_map(|prefix| url.strip_prefix(prefix))
            .unwrap_or(url);
        if path.is_empty() || path.contains("://") {
            return refuse("expected sqlite://path/to/file.db");
        }
        if path.contains(":memory:") {
            return refuse("a database in memory would lose acknowledged messages; name a file");
        }
        Ok(Self::Sqlite(path.into()))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
        }
    }
}

/// Hides the password of `scheme://user:password@host/...`.
fn mask(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}"),
        None => url.to_owned(),
    }
}

/// Bounds and times of the store.
#[derive(Debug, Clone)]
pub struct DbSettings {
    /// Which database.
    pub url: DatabaseUrl,
    /// Threads that read; one more writes.
    pub read_threads: NonZeroUsize,
    /// How long a statement waits for another process's lock.
    pub busy_timeout: Duration,
    /// Writes that may wait.
    pub max_queued_writes: usize,
    /// Writes that one transaction commits together.
    pub max_group: usize,
    /// Reads that may wait.
    pub max_queued_reads: usize,
    /// Whether the tables are brought up to date when the database is opened.
    pub migrate: bool,
    /// The operator's delivery fees by box, in satoshis; they go before those in the table.
    pub delivery_fees: BTreeMap<String, u64>,
    /// How long messages live; none: until they are acknowledged.
    pub message_ttl: Option<Duration>,
    /// Bytes of messages in one list.
    pub max_listed_bytes: usize,
}

impl DbSettings {
    /// Defaults for this database.
    #[must_use]
    pub fn new(url: DatabaseUrl) -> Self {
        Self {
            url,
            read_threads: NonZeroUsize::new(2).unwrap_or(NonZeroUsize::MIN),
            busy_timeout: Duration::from_secs(5),
            max_queued_writes: 10_000,
            max_group: 512,
            max_queued_reads: 512,
            migrate: true,
            delivery_fees: BTreeMap::new(),
            message_ttl: None,
            max_listed_bytes: 64 * 1024 * 1024,
        }
    }
}

/// What every SQLite connection is set to.
#[derive(Debug)]
struct Pragmas {
    busy_timeout: Duration,
}

impl CustomizeConnection<DbConnection, diesel::r2d2::Error> for Pragmas {
    fn on_acquire(&self, connection: &mut DbConnection) -> Result<(), diesel::r2d2::Error> {
        // FULL: a commit is on the disk before it is acknowledged, whatever happens to the machine.
        let pragmas = format!(
            "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -16000;",
            self.busy_timeout.as_millis()
        );
        connection
            .batch_execute(&pragmas)
            .map_err(diesel::r2d2::Error::QueryError)
    }
}

/// Opens the database, creates its folder and brings its tables up to date.
pub(super) fn open(settings: &DbSettings) -> Result<DbPool, DbError> {
    let failed = |cause: String| DbError::Open {
        url: settings.url.to_string(),
        cause,
    };
    let DatabaseUrl::Sqlite(path) = &settings.url;
    create_parent(path).map_err(|error| failed(error.to_string()))?;
    let text = path
        .to_str()
        .ok_or_else(|| failed("the path is not UTF-8".to_owned()))?;
    // r2d2 retries until its time-out and then says only that; one connection by hand says why.
    let mut first = <DbConnection as diesel::Connection>::establish(text)
        .map_err(|error| failed(error.to_string()))?;
    Pragmas {
        busy_timeout: settings.busy_timeout,
    }
    .on_acquire(&mut first)
    .map_err(|error| failed(error.to_string()))?;
    if settings.migrate {
        migrate(&mut first).map_err(|error| failed(format!("migration: {error}")))?;
    } else if first.has_pending_migration(MIGRATIONS).unwrap_or(true) {
        log::warn!("the tables are not up to date; POST /admin/migrate brings them there");
    }
    let size = u32::try_from(settings.read_threads.get() + 1).unwrap_or(u32::MAX);
    Pool::builder()
        .max_size(size)
        .min_idle(Some(1))
        .connection_timeout(settings.busy_timeout)
        .connection_customizer(Box::new(Pragmas {
            busy_timeout: settings.busy_timeout,
        }))
        .build(ConnectionManager::new(text))
        .map_err(|error| failed(error.to_string()))
}

/// Applies the migrations that were not applied yet; gives their names.
pub(super) fn migrate(connection: &mut DbConnection) -> Result<Vec<String>, DbError> {
    let applied = connection
        .run_pending_migrations(MIGRATIONS)
        .map_err(|error| DbError::Unavailable(error.to_string()))?;
    Ok(applied.iter().map(ToString::to_string).collect())
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

#[cfg(test)]
mod tests {
    use super::*;
    use diesel::prelude::*;
    use diesel::sql_types::{BigInt, Text};

    #[test]
    fn urls_name_a_file_or_are_refused_with_what_was_expected() {
        for url in [
            "sqlite://data/x.db",
            "sqlite:data/x.db",
            "file:data/x.db",
            "data/x.db",
        ] {
            assert_eq!(
                DatabaseUrl::parse(url),
                Ok(DatabaseUrl::Sqlite("data/x.db".into())),
                "{url}"
            );
        }
        for url in [
            "",
            "sqlite://",
            ":memory:",
            "sqlite::memory:",
            "oracle://x",
            "postgres://u:secret@h/d",
        ] {
            let error = DatabaseUrl::parse(url).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

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
                    .get_result(&mut **connection)
                    .unwrap();
                assert_eq!(row.value, expected, "{name}");
            }
            let journal = "SELECT journal_mode AS mode FROM pragma_journal_mode";
            let row: Mode = diesel::sql_query(journal)
                .get_result(&mut **connection)
                .unwrap();
            assert_eq!(row.mode, "wal");
        }
    }

    #[test]
    fn migrations_can_be_undone_and_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let settings = DbSettings::new(DatabaseUrl::Sqlite(folder.path().join("x.db")));
        drop(open(&settings).unwrap());
        let pool = open(&settings).unwrap();
        let mut connection = pool.get().unwrap();
        let undone = connection.revert_all_migrations(MIGRATIONS).unwrap().len();
        let applied = migrate(&mut connection).unwrap();
        assert!(applied.len() == undone && undone > 1, "{applied:?}");
        assert_eq!(migrate(&mut connection), Ok(Vec::new()));
    }

    /// The shapes of what the stores ask, against tables that may have a million rows.
    #[test]
    fn what_is_looked_up_has_an_index() {
        #[derive(QueryableByName)]
        struct Step {
            #[diesel(sql_type = Text)]
            detail: String,
        }
        let folder = tempfile::tempdir().unwrap();
        let settings = DbSettings::new(DatabaseUrl::Sqlite(folder.path().join("x.db")));
        let mut connection = open(&settings).unwrap().get().unwrap();
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
                .load(&mut connection)
                .unwrap();
            let steps: Vec<String> = plan.into_iter().map(|step| step.detail).collect();
            let scans = steps.iter().any(|step| step.starts_with("SCAN"));
            assert!(!scans, "{shape}: {steps:?}");
        }
    }

    #[test]
    fn what_cannot_be_opened_says_why() {
        let settings = DbSettings::new(DatabaseUrl::Sqlite("/proc/no/such.db".into()));
        let error = open(&settings).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot open the database sqlite:///proc/no/such.db: "),
            "{error}"
        );
    }
}
