//! Messages by the order of storing, whoever they are for: what a node reads that has missed some.

use std::collections::HashMap;

use diesel::connection::DefaultLoadingMode;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::any_connection::AnyConnection;
use super::clock::Now;
use super::dialect::body_bytes;
use super::error::DbError;
use super::schema::{message_boxes, messages};
use super::timestamp::Timestamp;

/// Rows that one page looks at.
const MAX_SCANNED: i64 = 2_000;

/// Ids that one statement names.
const MAX_IDS: usize = 100;

/// What is known of a message before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageHead {
    /// Ascending in the order of storing.
    pub id: i64,
    /// 66 hexadecimal characters.
    pub recipient: String,
    /// The sender's id for it.
    pub message_id: String,
    /// ISO 8601.
    pub created_at: String,
}

/// A message with everything that its recipient is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeMessage {
    /// What is known of it without reading it.
    pub head: MessageHead,
    /// The box's name.
    pub message_box: String,
    /// 66 hexadecimal characters.
    pub sender: String,
    /// `{"message":...}`, and `"payment"` where one came along.
    pub body: String,
}

/// Some of the messages that were stored after a certain one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MissedPage {
    /// Those that were wanted, in the order of storing.
    pub messages: Vec<WholeMessage>,
    /// Where the next page begins.
    pub last: i64,
    /// Whether there is a next page.
    pub more: bool,
}

/// Ids of messages, by recipient and the sender's id.
pub(super) type NewestIds = HashMap<(String, String), i64>;

/// The ids of the messages that were stored last, so many at most. The transaction that has just stored them asks, so they
/// are its own.
pub(super) fn newest_ids(connection: &mut AnyConnection, count: usize) -> QueryResult<NewestIds> {
    let rows: Vec<(String, String, i64)> = messages::table
        .select((messages::recipient, messages::message_id, messages::id))
        .order(messages::id.desc())
        .limit(i64::try_from(count).unwrap_or(i64::MAX))
        .load(connection)?;
    let named = |(recipient, message_id, id)| ((recipient, message_id), id);
    Ok(rows.into_iter().map(named).collect())
}

/// The id of the message that was stored last, of those that are there; 0 when there are none.
pub(super) fn last_id(connection: &mut AnyConnection) -> Result<i64, DbError> {
    let last: Option<i64> = messages::table
        .select(diesel::dsl::max(messages::id))
        .get_result(connection)?;
    Ok(last.unwrap_or(0))
}

/// Messages behind `after` that are `wanted`, up to `max_bytes` of them. What is past its time is left out.
pub(super) fn missed(
    connection: &mut AnyConnection,
    after: i64,
    max_bytes: usize,
    now: &Now,
    mut wanted: impl FnMut(&MessageHead) -> bool,
) -> Result<MissedPage, DbError> {
    type Row = (i64, String, String, String);
    // Without bodies: most messages are for members of other nodes, or for nobody who is here.
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
        ))
        .order(messages::id.asc())
        .limit(MAX_SCANNED)
        .into_boxed();
    if let Some(stale) = &now.stale {
        query = query.filter(messages::created_at.gt(stale));
    }
    let rows: Vec<(i64, String, String, Timestamp)> = query.load(connection)?;
    let mut page = MissedPage {
        last: rows.last().map_or(after, |row| row.0),
        more: i64::try_from(rows.len()).is_ok_and(|len| len >= MAX_SCANNED),
        messages: Vec::new(),
    };
    let heads = rows
        .into_iter()
        .map(|(id, recipient, message_id, created_at)| MessageHead {
            id,
            recipient,
            message_id,
            created_at: created_at.into(),
        });
    let heads: Vec<MessageHead> = heads.filter(|head| wanted(head)).collect();
    let mut bytes: usize = 0;
    for chunk in heads.chunks(MAX_IDS) {
        let mut ids: Vec<i64> = chunk.iter().map(|head| head.id).collect();
        let end = first_too_much(connection, &ids, max_bytes.saturating_sub(bytes))?;
        ids.retain(|id| end.is_none_or(|end| *id < end));
        let bodies = messages::table
            .inner_join(message_boxes::table)
            .filter(messages::id.eq_any(ids))
            .select((
                messages::id,
                message_boxes::kind,
                messages::sender,
                messages::body,
            ))
            .order(messages::id.asc());
        let mut heads = chunk.iter();
        for row in bodies.load_iter::<Row, DefaultLoadingMode>(connection)? {
            let (id, message_box, sender, body) = row?;
            // Those before it were deleted since.
            let Some(head) = heads.find(|head| head.id == id) else {
                break;
            };
            bytes = bytes.saturating_add(body.len());
            page.messages.push(WholeMessage {
                head: head.clone(),
                message_box,
                sender,
                body,
            });
            if bytes >= max_bytes {
                page.last = id;
                page.more = true;
                return Ok(page);
            }
        }
        if let Some(end) = end {
            page.last = end - 1;
            page.more = true;
            return Ok(page);
        }
    }
    Ok(page)
}

/// The first of these messages that is behind one that leaves no room; none where all may be read. As in a list: client
/// libraries hold the whole of what is asked for, so that is measured first.
fn first_too_much(
    connection: &mut AnyConnection,
    ids: &[i64],
    room: usize,
) -> QueryResult<Option<i64>> {
    let Some(size) = body_bytes(connection) else {
        return Ok(None);
    };
    let sizes: Vec<(i64, i64)> = messages::table
        .filter(messages::id.eq_any(ids))
        .select((messages::id, sql::<BigInt>(size)))
        .order(messages::id.asc())
        .load(connection)?;
    let mut room = i64::try_from(room).unwrap_or(i64::MAX);
    for (index, (id, size)) in sizes.into_iter().enumerate() {
        if room <= 0 && index > 0 {
            return Ok(Some(id));
        }
        room = room.saturating_sub(size);
    }
    Ok(None)
}
