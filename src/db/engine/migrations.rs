//! The migration scripts. They are compiled into the binary; the database records which ones were applied.

use diesel::backend::Backend;
use diesel::connection::BoxableConnection;
use diesel::migration::{
    Migration, MigrationMetadata, MigrationName, MigrationSource, MigrationVersion, Result,
};
use diesel::prelude::*;
use diesel_migrations::MigrationHarness;

use super::any_connection::AnyConnection;
use super::error::DbError;

/// A migration: its folder in `migrations/` and its two scripts.
#[derive(Debug, Clone, Copy)]
struct Script {
    name: &'static str,
    up: &'static str,
    down: &'static str,
}

/// The scripts of one engine, in order.
#[derive(Debug, Clone, Copy)]
struct Scripts(&'static [Script]);

macro_rules! scripts {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        Scripts(&[$(Script {
            name: $name,
            up: include_str!(concat!("../../../migrations/", $folder, "/", $name, "/up.sql")),
            down: include_str!(concat!("../../../migrations/", $folder, "/", $name, "/down.sql")),
        }),+])
    };
}

const SQLITE: Scripts = scripts!("sqlite":
    "2026-11-20-000001_create_tables",
    "2026-11-21-000002_add_payments_and_expiry",
    "2026-11-21-000003_add_payment_inputs",
    "2026-11-29-000101_create_auth_sessions",
    "2026-11-29-000103_create_payment_replays",
    "2026-11-30-000201_create_stored_totals",
    "2026-12-01-000301_create_identity_lists",
);

#[cfg(feature = "mysql")]
const MYSQL: Scripts = scripts!("mysql":
    "2026-11-21-000001_create_tables_in_use",
    "2026-11-21-000002_compare_boxes_exactly",
    "2026-11-21-000003_add_message_numbers",
    "2026-11-21-000004_number_messages",
    "2026-11-21-000005_let_message_ids_repeat",
    "2026-11-21-000006_allow_one_permission_for_everybody",
    "2026-11-21-000007_compare_devices_and_fees_exactly",
    "2026-11-21-000008_create_payments",
    "2026-11-21-000009_create_payment_inputs",
    "2026-11-21-000010_create_writer",
    "2026-11-29-000020_let_message_ids_have_256_bytes",
    "2026-11-29-000030_fill_sender_scope",
    "2026-11-29-000031_share_payment_replays",
    "2026-11-29-000101_create_auth_sessions",
    "2026-11-29-000102_create_auth_message_nonces",
    "2026-11-30-000201_create_stored_totals",
    "2026-12-01-000301_create_identity_lists",
);

#[cfg(feature = "postgres")]
const POSTGRES: Scripts = scripts!("postgres":
    "2026-11-21-000001_create_tables",
    "2026-11-29-000020_let_message_ids_have_256_bytes",
    "2026-11-29-000101_create_auth_sessions",
    "2026-11-29-000103_create_payment_replays",
    "2026-11-30-000201_create_stored_totals",
    "2026-12-01-000301_create_identity_lists",
);

impl Script {
    /// The digits before the first underscore.
    fn digits(&self) -> String {
        let (version, _) = self.name.split_once('_').unwrap_or((self.name, ""));
        version.replace('-', "")
    }

    fn pending(&self) -> PendingMigration {
        PendingMigration {
            name: self.name.to_owned(),
            sql: self.up,
        }
    }
}

impl MigrationName for Script {
    fn version(&self) -> MigrationVersion<'_> {
        self.digits().into()
    }
}

impl std::fmt::Display for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl MigrationMetadata for Script {}

impl<DB: Backend> Migration<DB> for Script {
    fn run(&self, connection: &mut dyn BoxableConnection<DB>) -> Result<()> {
        Ok(connection.batch_execute(self.up)?)
    }

    fn revert(&self, connection: &mut dyn BoxableConnection<DB>) -> Result<()> {
        Ok(connection.batch_execute(self.down)?)
    }

    fn metadata(&self) -> &dyn MigrationMetadata {
        self
    }

    fn name(&self) -> &dyn MigrationName {
        self
    }
}

impl<DB: Backend> MigrationSource<DB> for Scripts {
    fn migrations(&self) -> Result<Vec<Box<dyn Migration<DB>>>> {
        let boxed = |script: &Script| Box::new(*script) as Box<dyn Migration<DB>>;
        Ok(self.0.iter().map(boxed).collect())
    }
}

/// A migration that is not applied yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingMigration {
    /// The name of its folder.
    pub name: String,
    /// The text of its `up.sql`.
    pub sql: &'static str,
}

diesel::table! {
    /// The library's record of applied migrations.
    #[sql_name = "__diesel_schema_migrations"]
    applied_migrations (version) {
        version -> Text,
    }
}

/// The scripts for this engine.
const fn scripts(connection: &AnyConnection) -> Scripts {
    match connection {
        AnyConnection::Sqlite(_) => SQLITE,
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(_) => MYSQL,
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => POSTGRES,
    }
}

/// The applied versions, the newest first.
///
/// The library would create its table if it is missing, and collide with another server that does the same.
fn applied(connection: &mut AnyConnection) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Tables {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let tables: Tables = match connection {
        AnyConnection::Sqlite(connection) => diesel::sql_query(
            "SELECT COUNT(*) AS count FROM sqlite_master WHERE name = '__diesel_schema_migrations'",
        )
        .get_result(connection)?,
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => diesel::sql_query(
            "SELECT COUNT(*) AS count FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_name = '__diesel_schema_migrations'",
        )
        .get_result(connection)?,
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => diesel::sql_query(
            "SELECT COUNT(*) AS count FROM information_schema.tables \
             WHERE table_schema = current_schema() AND table_name = '__diesel_schema_migrations'",
        )
        .get_result(connection)?,
    };
    if tables.count == 0 {
        return Ok(Vec::new());
    }
    applied_migrations::table
        .select(applied_migrations::version)
        .order(applied_migrations::version.desc())
        .load(connection)
}

/// The migrations that are not applied yet, in order. Nothing changes.
pub(crate) fn pending(
    connection: &mut AnyConnection,
) -> std::result::Result<Vec<PendingMigration>, DbError> {
    let applied = applied(connection)?;
    let scripts = scripts(connection).0.iter();
    let pending = scripts.filter(|script| !applied.contains(&script.digits()));
    Ok(pending.map(Script::pending).collect())
}

pub(crate) fn all_of_sqlite() -> Vec<PendingMigration> {
    SQLITE.0.iter().map(Script::pending).collect()
}

/// Returns an error text if a newer binary has migrated the database: this one does not know the new schema.
pub(crate) fn refuse_newer(connection: &mut AnyConnection) -> std::result::Result<(), String> {
    let applied = applied(connection).map_err(|error| error.to_string())?;
    let known: Vec<String> = scripts(connection).0.iter().map(Script::digits).collect();
    match applied.iter().find(|version| !known.contains(version)) {
        None => Ok(()),
        Some(version) => Err(format!(
            "it is newer than this binary, which lacks its migration {version}: use the version that created it, or a \
             newer one"
        )),
    }
}

/// Migrates and logs each applied migration.
pub(crate) fn migrate_and_log(
    connection: &mut AnyConnection,
) -> std::result::Result<Vec<String>, DbError> {
    let applied = migrate(connection)?;
    for name in &applied {
        log::info!("migration applied: {name}");
    }
    Ok(applied)
}

/// Applies pending migrations and returns their names. Servers that start at the same time take turns. A read-only
/// database is left alone.
pub(crate) fn migrate(connection: &mut AnyConnection) -> std::result::Result<Vec<String>, DbError> {
    if pending(connection)?.is_empty() {
        return Ok(Vec::new());
    }
    match connection {
        // The write lock excludes other servers.
        AnyConnection::Sqlite(connection) => {
            connection.immediate_transaction(|connection| migrate_with(connection, SQLITE))
        }
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => super::mysql::alone(connection, |connection| {
            super::mysql::whole(connection, |connection| migrate_with(connection, MYSQL))
        }),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => match super::postgres::obstacle(connection) {
            Ok(None) => {
                super::postgres::alone(connection, |connection| migrate_with(connection, POSTGRES))
            }
            Ok(Some(obstacle)) => Err(obstacle.into()),
            Err(error) => Err(error.into()),
        },
    }
    .map_err(DbError::unavailable)
}

fn migrate_with<C, DB>(connection: &mut C, scripts: Scripts) -> Result<Vec<String>>
where
    C: MigrationHarness<DB>,
    DB: Backend,
{
    let pending = connection.pending_migrations(scripts)?;
    let mut applied = Vec::with_capacity(pending.len());
    for migration in pending {
        let name = migration.name().to_string();
        connection
            .run_migration(&migration)
            .map_err(|error| format!("{name}: {error}"))?;
        applied.push(name);
    }
    Ok(applied)
}

/// Reverts all migrations and returns their number.
#[cfg(test)]
pub(crate) fn revert_all(connection: &mut AnyConnection) -> usize {
    match connection {
        AnyConnection::Sqlite(connection) => connection.revert_all_migrations(SQLITE),
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => connection.revert_all_migrations(MYSQL),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => connection.revert_all_migrations(POSTGRES),
    }
    .unwrap()
    .len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_is_in_the_list() {
        let listed: &[(&str, Scripts)] = &[
            ("sqlite", SQLITE),
            #[cfg(feature = "mysql")]
            ("mysql", MYSQL),
            #[cfg(feature = "postgres")]
            ("postgres", POSTGRES),
        ];
        for (database, scripts) in listed {
            let root = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
            let folders = std::fs::read_dir(format!("{root}/{database}")).unwrap();
            let mut folders: Vec<_> = folders.map(|folder| folder.unwrap().file_name()).collect();
            folders.sort();
            let names: Vec<_> = scripts.0.iter().map(|script| script.name).collect();
            assert_eq!(folders, names, "{database}");
        }
    }

    #[test]
    fn versions_are_those_that_diesel_gives() {
        let version = SQLITE.0[0].version().to_string();
        assert_eq!(version, "20261120000001");
    }
}
