//! How much the database holds, asked so that it costs the same with ten rows and ten million.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::BigInt;
#[cfg(any(feature = "mysql", feature = "postgres"))]
use diesel::sql_types::Nullable;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::Now;
#[cfg(feature = "mysql")]
use crate::db::engine::mysql;
use crate::db::engine::schema::messages;
use crate::db::engine::sqlite::Space;
use crate::db::engine::timestamp::Timestamp;

/// What the database says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::db) struct Told {
    pub(in crate::db) bytes: u64,
    pub(in crate::db) free_bytes: Option<u64>,
    /// None in SQLite, which has no estimate.
    pub(in crate::db) messages: Option<u64>,
}

#[cfg(any(feature = "mysql", feature = "postgres"))]
#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = BigInt)]
    bytes: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    free_bytes: Option<i64>,
    #[diesel(sql_type = BigInt)]
    messages: i64,
}

#[cfg(any(feature = "mysql", feature = "postgres"))]
impl From<Answer> for Told {
    fn from(answer: Answer) -> Self {
        let number = |number| u64::try_from(number).unwrap_or(0);
        Self {
            bytes: number(answer.bytes),
            free_bytes: answer.free_bytes.map(number),
            messages: Some(number(answer.messages)),
        }
    }
}

/// Asks the database for its size and for its estimate of the messages.
pub(in crate::db) fn told(connection: &mut AnyConnection) -> QueryResult<Told> {
    match connection {
        AnyConnection::Sqlite(connection) => {
            let space = Space::of(connection)?;
            Ok(Told {
                bytes: space.bytes(space.pages),
                free_bytes: Some(space.bytes(space.free)),
                messages: None,
            })
        }
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => {
            mysql::ask_tables_themselves(connection)?;
            let answer: Answer = diesel::sql_query(
                "SELECT CAST(COALESCE(SUM(data_length + index_length + data_free), 0) AS SIGNED) AS bytes, \
                 CAST(SUM(data_free) AS SIGNED) AS free_bytes, \
                 CAST(COALESCE(SUM(IF(table_name = 'messages', table_rows, 0)), 0) AS SIGNED) AS messages \
                 FROM information_schema.tables WHERE table_schema = DATABASE()",
            )
            .get_result(connection)?;
            Ok(answer.into())
        }
        // Its counts are lost in a crash; then what the last look at the table found holds until the next.
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => {
            let answer: Answer = diesel::sql_query(
                "SELECT pg_database_size(current_database())::bigint AS bytes, NULL::bigint AS free_bytes, COALESCE(( \
                     SELECT CASE WHEN n_live_tup = 0 AND n_tup_ins = 0 THEN GREATEST(reltuples, 0)::bigint ELSE n_live_tup END \
                     FROM pg_class JOIN pg_stat_user_tables ON relid = oid WHERE oid = to_regclass('messages') \
                 ), 0) AS messages",
            )
            .get_result(connection)?;
            Ok(answer.into())
        }
    }
}

/// How long the message has been stored that was stored first.
pub(in crate::db) fn oldest(
    connection: &mut AnyConnection,
    now: &Now,
) -> QueryResult<Option<Duration>> {
    let oldest: Option<Timestamp> = messages::table
        .order(messages::id.asc())
        .select(messages::created_at)
        .first(connection)
        .optional()?;
    Ok(oldest.map(|created_at| now.since(&created_at)))
}

/// A place in the index of messages by box.
pub(in crate::db) type Place = (i64, i64);

/// Before the first message.
pub(in crate::db) const START: Place = (i64::MIN, i64::MIN);

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = BigInt)]
    box_id: i64,
    #[diesel(sql_type = BigInt)]
    id: i64,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Counts up to `max` messages of a SQLite file behind `after`; gives the place where the next step begins. An index alone
/// answers it.
pub(in crate::db) fn count(
    connection: &mut AnyConnection,
    after: Place,
    max: u32,
) -> QueryResult<(u64, Option<Place>)> {
    let (box_id, id) = after;
    let last: Option<Found> = diesel::sql_query(
        r#"SELECT "messageBoxId" AS box_id, "id" AS id FROM "messages" WHERE ("messageBoxId", "id") > (?, ?)
           ORDER BY "messageBoxId", "id" LIMIT 1 OFFSET ?"#,
    )
    .bind::<BigInt, _>(box_id)
    .bind::<BigInt, _>(id)
    .bind::<BigInt, _>(i64::from(max) - 1)
    .get_result(connection)
    .optional()?;
    if let Some(last) = last {
        return Ok((max.into(), Some((last.box_id, last.id))));
    }
    let rest: Count = diesel::sql_query(
        r#"SELECT COUNT(*) AS count FROM "messages" WHERE ("messageBoxId", "id") > (?, ?)"#,
    )
    .bind::<BigInt, _>(box_id)
    .bind::<BigInt, _>(id)
    .get_result(connection)?;
    Ok((u64::try_from(rest.count).unwrap_or(0), None))
}
