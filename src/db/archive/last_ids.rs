//! The highest id that each table ever assigned. Clients keep ids of deleted rows as cursors: a reused id would hide
//! its new message from them.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use serde::{Deserialize, Serialize};

use crate::db::engine::any_connection::AnyConnection;
#[cfg(feature = "postgres")]
use crate::db::engine::schema::{
    device_registrations, message_boxes, message_permissions, payment_inputs, server_fees,
};
use crate::db::engine::schema::{messages, payments};

/// Covers only the tables whose ids are used as cursors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LastIds {
    messages: i64,
    payments: i64,
}

#[derive(QueryableByName)]
struct Last {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// The highest id of the rows of a table; 0 if it is empty.
macro_rules! highest {
    ($connection:expr, $table:ident.$id:ident) => {{
        let highest: Option<i64> = $table::table
            .select(diesel::dsl::max($table::$id))
            .get_result($connection)?;
        highest.unwrap_or(0)
    }};
}

impl LastIds {
    pub(super) fn read(connection: &mut AnyConnection) -> QueryResult<Self> {
        // Sequence metadata may be stale, so the rows are checked too.
        let messages = highest!(connection, messages.id);
        let payments = highest!(connection, payments.id);
        Ok(Self {
            messages: given(connection, "messages")?.max(messages),
            payments: given(connection, "payments")?.max(payments),
        })
    }

    fn tables(self) -> [(&'static str, i64); 2] {
        [("messages", self.messages), ("payments", self.payments)]
    }

    /// Runs before the rows are inserted and outside a transaction: MySQL commits when a table is altered.
    pub(super) fn before_rows(self, connection: &mut AnyConnection) -> QueryResult<()> {
        match connection {
            #[cfg(feature = "mysql")]
            AnyConnection::Mysql(connection) => {
                for (table, last) in self.tables() {
                    if last > mysql_given(connection, table)? {
                        crate::db::engine::mysql::give_ids_behind(connection, table, last)?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Runs after the rows are inserted. Only PostgreSQL ignores explicit ids in its sequences.
    pub(super) fn behind_rows(self, connection: &mut AnyConnection) -> QueryResult<()> {
        match connection {
            AnyConnection::Sqlite(connection) => {
                let mut tables = self.tables().into_iter();
                tables.try_for_each(|(table, last)| sqlite_give_behind(connection, table, last))
            }
            #[cfg(feature = "mysql")]
            AnyConnection::Mysql(_) => Ok(()),
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres(connection) => self.set_sequences(connection),
        }
    }

    #[cfg(feature = "postgres")]
    fn set_sequences(self, connection: &mut PgConnection) -> QueryResult<()> {
        let (payments, messages) = (
            highest!(connection, payments.id),
            highest!(connection, messages.id),
        );
        for (table, column, last) in [
            (
                "messageBox",
                "messageBoxId",
                highest!(connection, message_boxes.message_box_id),
            ),
            ("messages", "id", messages.max(self.messages)),
            (
                "message_permissions",
                "id",
                highest!(connection, message_permissions.id),
            ),
            ("server_fees", "id", highest!(connection, server_fees.id)),
            (
                "device_registrations",
                "id",
                highest!(connection, device_registrations.id),
            ),
            ("payments", "id", payments.max(self.payments)),
            (
                "payment_inputs",
                "id",
                highest!(connection, payment_inputs.id),
            ),
        ] {
            if last > 0 {
                diesel::sql_query("SELECT setval(pg_get_serial_sequence(quote_ident($1), $2), $3)")
                    .bind::<Text, _>(table)
                    .bind::<Text, _>(column)
                    .bind::<BigInt, _>(last)
                    .execute(connection)?;
            }
        }
        Ok(())
    }
}

/// The highest id that this table ever assigned; 0 if it never assigned one.
fn given(connection: &mut AnyConnection, table: &'static str) -> QueryResult<i64> {
    match connection {
        AnyConnection::Sqlite(connection) => {
            let last: Option<Last> =
                diesel::sql_query("SELECT seq AS id FROM sqlite_sequence WHERE name = ?")
                    .bind::<Text, _>(table)
                    .get_result(connection)
                    .optional()?;
            Ok(last.map_or(0, |last| last.id))
        }
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => mysql_given(connection, table),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => {
            let last: Last = diesel::sql_query(
                "SELECT COALESCE(pg_sequence_last_value(pg_get_serial_sequence(quote_ident($1), 'id')::regclass), 0) AS id",
            )
            .bind::<Text, _>(table)
            .get_result(connection)?;
            Ok(last.id)
        }
    }
}

fn sqlite_give_behind(
    connection: &mut SqliteConnection,
    table: &'static str,
    last: i64,
) -> QueryResult<()> {
    let known = diesel::sql_query("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?")
        .bind::<BigInt, _>(last)
        .bind::<Text, _>(table)
        .execute(connection)?;
    if known == 0 && last > 0 {
        diesel::sql_query("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)")
            .bind::<Text, _>(table)
            .bind::<BigInt, _>(last)
            .execute(connection)?;
    }
    Ok(())
}

#[cfg(feature = "mysql")]
fn mysql_given(connection: &mut MysqlConnection, table: &'static str) -> QueryResult<i64> {
    crate::db::engine::mysql::ask_tables_themselves(connection)?;
    let last: Option<Last> = diesel::sql_query(
        "SELECT CAST(COALESCE(auto_increment, 1) AS SIGNED) - 1 AS id FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_name = ?",
    )
    .bind::<Text, _>(table)
    .get_result(connection)
    .optional()?;
    Ok(last.map_or(0, |last| last.id))
}
