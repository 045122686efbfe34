//! A connection to any engine of this build, so that stores are written once for all engines.

use diesel::sqlite::SqliteConnection;

#[expect(unreachable_pub, reason = "what is derived from it makes it public")]
#[derive(diesel::MultiConnection)]
pub enum AnyConnection {
    Sqlite(SqliteConnection),
    #[cfg(feature = "mysql")]
    Mysql(diesel::mysql::MysqlConnection),
    #[cfg(feature = "postgres")]
    Postgres(diesel::pg::PgConnection),
}

impl AnyConnection {
    /// The SQLite connection, if it is one.
    #[cfg_attr(
        not(any(feature = "mysql", feature = "postgres")),
        expect(clippy::unnecessary_wraps, reason = "other builds have other engines")
    )]
    pub(crate) const fn as_sqlite(&mut self) -> Option<&mut SqliteConnection> {
        match self {
            Self::Sqlite(connection) => Some(connection),
            #[cfg(any(feature = "mysql", feature = "postgres"))]
            _ => None,
        }
    }
}
