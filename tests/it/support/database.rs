//! A database for one test, and a second connection that inspects and breaks it. `TEST_DATABASE` selects the kind:
//! `sqlite`, `mysql` or `postgres`.

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

/// The database that the tests run against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    #[cfg(feature = "mysql")]
    Mysql,
    #[cfg(feature = "postgres")]
    Postgres,
}

impl Kind {
    /// The kind in the environment, or SQLite by default.
    pub fn of_this_run() -> Self {
        match std::env::var("TEST_DATABASE").as_deref() {
            Err(_) | Ok("" | "sqlite") => Self::Sqlite,
            #[cfg(feature = "mysql")]
            Ok("mysql") => Self::Mysql,
            #[cfg(feature = "postgres")]
            Ok("postgres") => Self::Postgres,
            Ok(other) => panic!("TEST_DATABASE={other} is not in this build"),
        }
    }
}

/// The URL of the database server. The account may create and drop databases.
fn server(variable: &str, default: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| default.to_owned())
}

pub fn mysql_server() -> String {
    server("TEST_MYSQL_URL", "mysql://root@127.0.0.1:3306")
}

pub fn postgres_server() -> String {
    server("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432")
}

/// A connection of the tests' own.
enum Hand {
    Sqlite(SqliteConnection),
    #[cfg(feature = "mysql")]
    Mysql(MysqlConnection),
    #[cfg(feature = "postgres")]
    Postgres(PgConnection),
}

impl Hand {
    fn on(kind: Kind, url: &str) -> Self {
        // As the server does, but before it.
        #[cfg(any(feature = "mysql", feature = "postgres"))]
        openssl::init();
        match kind {
            Kind::Sqlite => {
                let path = url.trim_start_matches("sqlite://");
                let mut connection = SqliteConnection::establish(path).unwrap();
                connection
                    .batch_execute("PRAGMA busy_timeout = 20000")
                    .unwrap();
                Self::Sqlite(connection)
            }
            #[cfg(feature = "mysql")]
            Kind::Mysql => {
                let mut connection = MysqlConnection::establish(url).unwrap();
                // Quotes names like the other databases.
                let set = "SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES'), time_zone = '+00:00'";
                connection.batch_execute(set).unwrap();
                Self::Mysql(connection)
            }
            #[cfg(feature = "postgres")]
            Kind::Postgres => Self::Postgres(PgConnection::establish(url).unwrap()),
        }
    }

    fn run(&mut self, sql: &str) {
        match self {
            Self::Sqlite(connection) => connection.batch_execute(sql),
            #[cfg(feature = "mysql")]
            Self::Mysql(connection) => connection.batch_execute(sql),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => connection.batch_execute(sql),
        }
        .unwrap();
    }

    fn texts(&mut self, sql: &str) -> Vec<String> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            value: String,
        }
        let query = diesel::sql_query(sql);
        let rows: Vec<Row> = match self {
            Self::Sqlite(connection) => query.load(connection),
            #[cfg(feature = "mysql")]
            Self::Mysql(connection) => query.load(connection),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => query.load(connection),
        }
        .unwrap();
        rows.into_iter().map(|row| row.value).collect()
    }
}

/// A database that is dropped with this.
pub struct TestDatabase {
    kind: Kind,
    url: String,
    _folder: tempfile::TempDir,
}

impl TestDatabase {
    /// Of the kind that `TEST_DATABASE` selects.
    pub fn create() -> Self {
        Self::of(Kind::of_this_run())
    }

    pub fn of(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("messagebox_test_{:032x}", rand::random::<u128>());
        let url = match kind {
            Kind::Sqlite => format!("sqlite://{}/{name}.db", folder.path().display()),
            #[cfg(feature = "mysql")]
            Kind::Mysql => {
                Hand::on(kind, &mysql_server()).run(&format!("CREATE DATABASE {name}"));
                format!("{}/{name}", mysql_server())
            }
            #[cfg(feature = "postgres")]
            Kind::Postgres => {
                Hand::on(kind, &postgres_server()).run(&format!("CREATE DATABASE {name}"));
                format!("{}/{name}", postgres_server())
            }
        };
        Self {
            kind,
            url,
            _folder: folder,
        }
    }

    /// The URL in the form of `DATABASE_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs these statements. Names are in double quotes.
    pub fn run(&self, sql: &str) {
        Hand::on(self.kind, &self.url).run(sql);
    }

    /// The column `value` of each row that this query finds.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        Hand::on(self.kind, &self.url).texts(sql)
    }

    /// Removes the names of the migrations from this version to that one: the next start applies them again, and a release
    /// that does not know them starts. The statement of `docs/operations/upgrade.md`.
    pub fn forget_migrations(&self, versions: std::ops::RangeInclusive<&str>) {
        let (first, last) = versions.into_inner();
        self.run(&format!(
            r#"DELETE FROM "__diesel_schema_migrations" WHERE "version" BETWEEN '{first}' AND '{last}'"#
        ));
    }

    /// The number of rows in this table.
    pub fn count(&self, table: &str) -> usize {
        let query = format!(r#"SELECT 'x' AS "value" FROM "{table}""#);
        self.texts(&query).len()
    }

    /// A time (ISO 8601, UTC) as a literal of this database.
    pub fn time(&self, iso: &str) -> String {
        match self.kind {
            Kind::Sqlite => format!("'{iso}'"),
            #[cfg(feature = "mysql")]
            Kind::Mysql => format!("'{}'", iso.replace('T', " ").trim_end_matches('Z')),
            #[cfg(feature = "postgres")]
            Kind::Postgres => format!("'{iso}'"),
        }
    }

    /// Blocks all other writers until it is dropped, as another writing server does.
    pub fn hold_writers(&self) -> impl Drop + use<> {
        struct Held(Hand);
        impl Drop for Held {
            fn drop(&mut self) {
                self.0.run("ROLLBACK");
            }
        }
        let mut hand = Hand::on(self.kind, &self.url);
        hand.run(match self.kind {
            Kind::Sqlite => "BEGIN IMMEDIATE",
            #[cfg(feature = "mysql")]
            Kind::Mysql => "BEGIN; SELECT id FROM messagebox_writer FOR UPDATE",
            #[cfg(feature = "postgres")]
            Kind::Postgres => "BEGIN; SELECT pg_advisory_xact_lock(x'6d657373616765'::bigint)",
        });
        Held(hand)
    }

    /// Renames all tables, so that every statement fails.
    pub fn take_tables(&self) {
        for table in [
            "messages",
            "messageBox",
            "message_permissions",
            "server_fees",
            "device_registrations",
            "payments",
            "payment_inputs",
            "stored_totals",
            "identity_lists",
        ] {
            self.run(&format!(
                r#"ALTER TABLE "{table}" RENAME TO "gone_{table}""#
            ));
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        match self.kind {
            Kind::Sqlite => {}
            #[cfg(feature = "mysql")]
            Kind::Mysql => {
                let (server, name) = self.url.rsplit_once('/').unwrap();
                Hand::on(self.kind, server).run(&format!("DROP DATABASE {name}"));
            }
            #[cfg(feature = "postgres")]
            Kind::Postgres => {
                let (server, name) = self.url.rsplit_once('/').unwrap();
                Hand::on(self.kind, server).run(&format!("DROP DATABASE {name} WITH (FORCE)"));
            }
        }
    }
}
