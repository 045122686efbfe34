//! The size of the database, measured at a cost that does not grow with its rows.

use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};
use parking_lot::Mutex;

use crate::db::engine::any_connection::{AnyConnection, MultiBackend};
use crate::db::engine::clock::{Now, Timestamp};
#[cfg(feature = "mysql")]
use crate::db::engine::mysql;
use crate::db::engine::schema::messages;
use crate::model::StoredSize;

/// The database's own figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub(crate) struct SizeEstimate {
    #[diesel(sql_type = BigInt)]
    pub(crate) bytes: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) free_bytes: Option<i64>,
    /// None for SQLite, which has no estimate.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) messages: Option<i64>,
}

/// Reads the size of the database and its estimate of the number of messages.
pub(crate) fn estimate(connection: &mut AnyConnection) -> QueryResult<SizeEstimate> {
    match connection {
        AnyConnection::Sqlite(connection) => diesel::sql_query(
            "SELECT page_count * page_size AS bytes, freelist_count * page_size AS free_bytes, NULL AS messages \
             FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
        )
        .get_result(connection),
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => {
            mysql::ask_tables_themselves(connection)?;
            diesel::sql_query(
                "SELECT CAST(COALESCE(SUM(data_length + index_length + data_free), 0) AS SIGNED) AS bytes, \
                 CAST(SUM(data_free) AS SIGNED) AS free_bytes, \
                 CAST(COALESCE(SUM(IF(table_name = 'messages', table_rows, 0)), 0) AS SIGNED) AS messages \
                 FROM information_schema.tables WHERE table_schema = DATABASE()",
            )
            .get_result(connection)
        }
        // PostgreSQL loses its counters in a crash. Until the next analysis, the last one's estimate is used.
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => diesel::sql_query(
            "SELECT pg_database_size(current_database())::bigint AS bytes, NULL::bigint AS free_bytes, COALESCE(( \
                 SELECT CASE WHEN n_live_tup = 0 AND n_tup_ins = 0 THEN GREATEST(reltuples, 0)::bigint ELSE n_live_tup END \
                 FROM pg_class JOIN pg_stat_user_tables ON relid = oid WHERE oid = to_regclass('messages') \
             ), 0) AS messages",
        )
        .get_result(connection),
    }
}

/// The age of the oldest message.
pub(crate) fn oldest(connection: &mut AnyConnection, now: &Now) -> QueryResult<Option<Duration>> {
    let oldest: Option<Timestamp> = messages::table
        .order(messages::id.asc())
        .select(messages::created_at)
        .first(connection)
        .optional()?;
    Ok(oldest.map(|created_at| now.since(&created_at)))
}

/// A position in the index of messages by box.
pub(crate) type IndexPosition = (i64, i64);

/// Before the first message.
pub(crate) const START: IndexPosition = (i64::MIN, i64::MIN);

type Boxes = messages::BoxedQuery<'static, MultiBackend>;

/// Counts messages of a SQLite file after `after` and returns the position of the next step. One step counts at least
/// `max` messages, if there are so many, and less than twice as many. It reads an index only: first the rest of the
/// current box, then the boxes after it.
pub(crate) fn count(
    connection: &mut AnyConnection,
    after: IndexPosition,
    max: u32,
) -> QueryResult<(u64, Option<IndexPosition>)> {
    let (box_id, id) = after;
    let of_box = || -> Boxes {
        let of_box = messages::table.filter(messages::message_box_id.eq(box_id));
        of_box.filter(messages::id.gt(id)).into_boxed()
    };
    let behind = || -> Boxes {
        let behind = messages::table.filter(messages::message_box_id.gt(box_id));
        behind.into_boxed()
    };
    let mut counted = 0;
    for part in [&of_box as &dyn Fn() -> Boxes, &behind] {
        let last: Option<IndexPosition> = part()
            .order((messages::message_box_id.asc(), messages::id.asc()))
            .select((messages::message_box_id, messages::id))
            .limit(1)
            .offset(i64::from(max) - 1)
            .first(connection)
            .optional()?;
        if last.is_some() {
            return Ok((counted + u64::from(max), last));
        }
        let rest: i64 = part().count().get_result(connection)?;
        counted += u64::try_from(rest).unwrap_or(0);
    }
    Ok((counted, None))
}

/// The result of the last measurement.
#[derive(Debug, Default)]
pub(crate) struct SizeCache(Mutex<Option<KnownSize>>);

#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownSize {
    pub(crate) size: StoredSize,
    /// The earliest time of the next count.
    pub(crate) recount: Instant,
}

impl SizeCache {
    pub(crate) fn get(&self) -> Option<KnownSize> {
        *self.0.lock()
    }

    pub(crate) fn set(&self, known: KnownSize) {
        *self.0.lock() = Some(known);
    }
}
