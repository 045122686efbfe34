//! A connection to one of the databases of this build. The stores are written once, for all of them.

use diesel::sqlite::SqliteConnection;

/// One variant for each database.
#[expect(unreachable_pub, reason = "what is derived from it makes it public")]
#[derive(diesel::MultiConnection)]
pub enum AnyConnection {
    Sqlite(SqliteConnection),
    #[cfg(feature = "mysql")]
    Mysql(diesel::mysql::MysqlConnection),
    #[cfg(feature = "postgres")]
    Postgres(diesel::pg::PgConnection),
}
