//! Reads messages in storage order, for a node that has to catch up.

use std::collections::HashMap;

#[cfg(feature = "mysql")]
use diesel::mysql::Mysql;
use diesel::prelude::*;
#[cfg(feature = "mysql")]
use diesel::sql_types::{BigInt, Text};

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::{Now, Timestamp};
use crate::db::engine::dialect::octet_length;
use crate::db::engine::error::DbError;
use crate::db::engine::schema::{message_boxes, messages};
#[cfg(feature = "mysql")]
use crate::db::engine::statement::{statement, with_values};
use crate::model::{CatchUpPage, MessageHead, WholeMessage};

/// Maximum rows scanned per page.
const MAX_SCANNED: i64 = 1_000;

/// Message ids by recipient and the sender's id.
pub(crate) type NewestIds = HashMap<(String, String), i64>;

/// The ids of the newest messages, up to `count`. It runs in the transaction that stored them, so they are its own.
pub(crate) fn newest_ids(connection: &mut AnyConnection, count: usize) -> QueryResult<NewestIds> {
    let rows: Vec<(String, String, i64)> = messages::table
        .select((messages::recipient, messages::message_id, messages::id))
        .order(messages::id.desc())
        .limit(i64::try_from(count).unwrap_or(i64::MAX))
        .load(connection)?;
    let named = |(recipient, message_id, id)| ((recipient, message_id), id);
    Ok(rows.into_iter().map(named).collect())
}

/// The highest id of a stored message; 0 if there is none.
pub(crate) fn last_id(connection: &mut AnyConnection) -> Result<i64, DbError> {
    let last: Option<i64> = messages::table
        .select(diesel::dsl::max(messages::id))
        .get_result(connection)?;
    Ok(last.unwrap_or(0))
}

/// Reads the `wanted` messages with ids above `after`, up to `max_bytes` of bodies. Skips expired messages.
///
/// A page takes two statements. Client libraries buffer whole results, so the first one reads sizes only.
pub(crate) fn missed(
    connection: &mut AnyConnection,
    after: i64,
    max_bytes: usize,
    now: &Now,
    mut wanted: impl FnMut(&MessageHead) -> bool,
) -> Result<CatchUpPage, DbError> {
    // Without bodies: most messages have no member on this node.
    let mut query = messages::table
        .filter(messages::id.gt(after))
        .filter(
            messages::expires_at
                .is_null()
                .or(messages::expires_at.gt(&now.text)),
        )
        .select((
            messages::id,
            messages::recipient,
            messages::message_id,
            messages::created_at,
            octet_length(messages::body),
        ))
        .order(messages::id.asc())
        .limit(MAX_SCANNED)
        .into_boxed();
    if let Some(stale) = &now.stale {
        query = query.filter(messages::created_at.gt(stale));
    }
    let rows: Vec<(i64, String, String, Timestamp, i32)> = query.load(connection)?;
    let mut page = CatchUpPage {
        last: rows.last().map_or(after, |row| row.0),
        more: i64::try_from(rows.len()).is_ok_and(|len| len >= MAX_SCANNED),
        messages: Vec::new(),
    };
    let mut room = i64::try_from(max_bytes).unwrap_or(i64::MAX);
    let mut heads = Vec::new();
    for (id, recipient, message_id, created_at, bytes) in rows {
        let head = MessageHead {
            id,
            recipient,
            message_id,
            created_at: created_at.into(),
        };
        if !wanted(&head) {
            continue;
        }
        if room <= 0 && !heads.is_empty() {
            page.last = id - 1;
            page.more = true;
            break;
        }
        room = room.saturating_sub(bytes.into());
        heads.push(head);
    }
    if heads.is_empty() {
        return Ok(page);
    }
    let ids: Vec<i64> = heads.iter().map(|head| head.id).collect();
    let mut heads = heads.into_iter();
    for (id, message_box, sender, body) in whole(connection, &ids)? {
        // Messages before this one were deleted since.
        let Some(head) = heads.find(|head| head.id == id) else {
            break;
        };
        page.messages.push(WholeMessage {
            head,
            message_box,
            sender,
            body,
        });
    }
    Ok(page)
}

/// A message's id, box name, sender and body.
type WholeRow = (i64, String, String, String);

/// The messages with these ids, in id order. The statement stays prepared.
fn whole(connection: &mut AnyConnection, ids: &[i64]) -> QueryResult<Vec<WholeRow>> {
    macro_rules! whole {
        ($connection:expr) => {
            messages::table
                .inner_join(message_boxes::table)
                .filter(messages::id.eq_any(ids))
                .select((
                    messages::id,
                    message_boxes::kind,
                    messages::sender,
                    messages::body,
                ))
                .order(messages::id.asc())
                .load($connection)
        };
    }
    match connection {
        AnyConnection::Sqlite(connection) => whole!(connection),
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => {
            let ids = serde_json::to_string(ids)
                .map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
            with_values!(WholeOnMysql { ids }).load(connection)
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => whole!(connection),
    }
}

#[cfg(feature = "mysql")]
statement! {
    WholeOnMysql<'a> on Mysql, MysqlConnection: (ids: Text = String)
    -> (BigInt, Text, Text, Text) = "
SELECT m.`id`, b.`type`, m.`sender`, m.`body`
FROM JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT PATH '$')) AS k
STRAIGHT_JOIN `messages` AS m ON m.`id` = k.id
STRAIGHT_JOIN `messageBox` AS b ON b.`messageBoxId` = m.`messageBoxId`
ORDER BY m.`id`"
}
