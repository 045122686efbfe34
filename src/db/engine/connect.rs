//! Opens the database: its URL, its connection pool, and its migrations.

pub(crate) mod connector;
pub(crate) mod largest_message;
pub(crate) mod pool;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod pooler;
pub(crate) mod settings;
pub(crate) mod url;

use diesel::r2d2::R2D2Connection as _;

use self::connector::by_hand;
use self::pool::DbPool;
use self::settings::DbSettings;
use super::any_connection::AnyConnection;
use super::error::DbError;
use super::migrations::{self, PendingMigration};

/// Opens the database and applies pending migrations.
pub(crate) fn open(settings: &DbSettings) -> Result<DbPool, DbError> {
    let failed = |cause: String| DbError::open(&settings.url, cause);
    // r2d2 retries until its timeout and hides the reason. A single connection reports it.
    let mut first = by_hand(settings)?;
    let prepared = prepare(&mut first, settings.migrate);
    if prepared.is_err() && first.ping().is_err() {
        // Another server's migration may have closed the connection, so try once more.
        first = by_hand(settings)?;
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
    DbPool::new(settings).map_err(|error| failed(error.to_string()))
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
    migrations::refuse_newer(connection)?;
    if migrate {
        migrations::migrate_and_log(connection).map_err(|error| format!("migration: {error}"))?;
    }
    Ok(())
}

/// The migrations that are not applied yet, in order. Nothing changes.
///
/// # Errors
/// [`DbError`].
pub fn pending_migrations(settings: &DbSettings) -> Result<Vec<PendingMigration>, DbError> {
    if settings.url.file().is_some_and(|path| !path.exists()) {
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
    use std::time::Duration;

    use super::*;
    use crate::db::DatabaseUrl;
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
