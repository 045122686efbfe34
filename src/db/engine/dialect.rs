//! Operations that each engine spells differently: inserts that skip existing rows, session settings, sizes.

use diesel::prelude::*;

use super::any_connection::AnyConnection;

/// Runs a statement on the engine's own connection. The common connection adds some microseconds per statement, which
/// matters for statements that run once per message.
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
pub(crate) use directly;

/// Inserts a row unless a row with the same values in `$unique` exists. Returns whether it inserted.
///
/// This is a macro because each engine has its own statement type.
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
            // `INSERT IGNORE` would ignore other errors too, and truncate long texts. The transaction stays open.
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
pub(crate) use insert_unless_there;

/// Loads rows as values of a plain type: each field from its column.
macro_rules! load_as {
    ($connection:expr, $query:expr, $type:ident { $($field:ident: $column:expr),+ $(,)? }) => {{
        let rows: diesel::QueryResult<Vec<_>> =
            diesel::RunQueryDsl::load($query.select(($($column,)+)), $connection);
        let value = |($($field,)+)| $type { $($field),+ };
        rows.map(|rows| rows.into_iter().map(value).collect::<Vec<$type>>())
    }};
}
pub(crate) use load_as;

/// Whether one statement can begin a transaction and take the lock. Other engines need two.
pub(crate) fn can_begin_at_once(connection: &mut AnyConnection) -> QueryResult<bool> {
    match connection {
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => super::mysql::is_mariadb(connection),
        _ => Ok(false),
    }
}

/// Takes the recount lock, which lasts until the connection closes. Returns `false` if another connection holds it. A
/// file has one server, which needs no lock.
pub(crate) fn lock_recount(connection: &mut AnyConnection) -> QueryResult<bool> {
    match connection {
        AnyConnection::Sqlite(_) => Ok(true),
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => super::mysql::lock_recount(connection),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => super::postgres::lock_recount(connection),
    }
}

/// Lets a transaction idle for hours, to wait for a pipe or a slow disk.
pub(crate) fn be_patient(connection: &mut AnyConnection) -> QueryResult<()> {
    match connection {
        AnyConnection::Sqlite(_) => Ok(()),
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => super::mysql::be_patient(connection),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => super::postgres::be_patient(connection),
    }
}

// Bytes of a text. All engines have this function.
diesel::define_sql_function! {
    fn octet_length(text: diesel::sql_types::Text) -> diesel::sql_types::Integer;
}
