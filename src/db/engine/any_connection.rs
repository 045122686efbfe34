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
