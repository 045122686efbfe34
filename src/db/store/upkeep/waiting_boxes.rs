//! Messages in boxes, for operators. Readers count box by box through the index of boxes, or all boxes of one
//! recipient.

use std::collections::HashMap;

use diesel::dsl::{count_star, min, sum};
use diesel::prelude::*;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::{Now, Timestamp};
use crate::db::engine::dialect::{load_as, octet_length};
use crate::db::engine::schema::{message_boxes, messages, stored_totals};
use crate::model::{IdentityTotal, Role, TotalsOrder, WaitingBox, WaitingPage, WaitingTotal};

/// Boxes counted per statement.
const BOXES: i64 = 50;

/// A page ends early after this many messages. The next page continues.
const MAX_COUNTED: i64 = 200_000;

/// Maximum ids per statement.
const MAX_IDS: usize = 500;

/// The messages of one box, and the id of the oldest.
struct Counted {
    box_id: i64,
    messages: i64,
    bytes: i64,
    oldest: i64,
}

/// Counts the messages of a query by box.
macro_rules! count_by_box {
    ($connection:expr, $messages:expr) => {
        load_as!(
            $connection,
            $messages.group_by(messages::message_box_id),
            Counted {
                box_id: messages::message_box_id,
                messages: count_star(),
                bytes: sum(octet_length(messages::body)).assume_not_null(),
                oldest: min(messages::id).assume_not_null(),
            }
        )
    };
}

/// Boxes with messages after this one, in the order of their numbers. Returns at most `limit`, or fewer if they hold
/// very many messages.
pub(crate) fn boxes(
    connection: &mut AnyConnection,
    after: i64,
    limit: i64,
    now: &Now,
) -> QueryResult<WaitingPage> {
    let mut counted: Vec<Counted> = Vec::new();
    let (mut last, mut messages) = (after, 0_i64);
    loop {
        let missing = limit.saturating_sub(i64::try_from(counted.len()).unwrap_or(i64::MAX));
        // There may be no box after these. Then the next page is empty.
        let is_full = missing <= 0 || messages > MAX_COUNTED;
        let wanted = missing.min(BOXES);
        let found = if is_full {
            Vec::new()
        } else {
            count_behind(connection, last, wanted)?
        };
        let is_end = !is_full && i64::try_from(found.len()).is_ok_and(|found| found < wanted);
        messages = found.iter().fold(messages, |sum, counted| {
            sum.saturating_add(counted.messages)
        });
        last = found.last().map_or(last, |counted| counted.box_id);
        counted.extend(found);
        if is_full || is_end {
            return Ok(WaitingPage {
                boxes: named(connection, counted, now)?,
                next: is_full.then_some(last),
            });
        }
    }
}

/// A recipient's boxes with messages, in the order of their numbers, after this one. Also the sum over all of its
/// boxes.
pub(crate) fn boxes_of(
    connection: &mut AnyConnection,
    recipient: &str,
    after: i64,
    limit: usize,
    now: &Now,
) -> QueryResult<(WaitingPage, WaitingTotal)> {
    let mut counted = count_of(connection, recipient)?;
    counted.sort_unstable_by_key(|counted| counted.box_id);
    let oldest = counted.iter().map(|counted| counted.oldest).min();
    let oldest: Option<Timestamp> = match oldest {
        Some(id) => messages::table
            .find(id)
            .select(messages::created_at)
            .first(connection)
            .optional()?,
        None => None,
    };
    let sum = |number: fn(&Counted) -> i64| {
        let numbers = counted.iter().map(number);
        numbers.fold(0, i64::saturating_add)
    };
    let total = WaitingTotal {
        boxes: counted.len(),
        messages: sum(|counted| counted.messages),
        bytes: sum(|counted| counted.bytes),
        oldest: oldest.map(|created_at| now.since(&created_at)),
    };
    counted.retain(|counted| counted.box_id > after);
    let is_cut = counted.len() > limit;
    counted.truncate(limit);
    let next = counted.last().filter(|_| is_cut).map(|last| last.box_id);
    let boxes = named(connection, counted, now)?;
    Ok((WaitingPage { boxes, next }, total))
}

fn count_behind(
    connection: &mut AnyConnection,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<Counted>> {
    let behind = messages::table.filter(messages::message_box_id.gt(after));
    let behind = behind.order(messages::message_box_id.asc()).limit(limit);
    count_by_box!(connection, behind)
}

/// No order and no limit: either could make an engine scan the whole index of boxes. Adopted tables may hold messages
/// without a box.
fn count_of(connection: &mut AnyConnection, recipient: &str) -> QueryResult<Vec<Counted>> {
    let own = messages::table.filter(messages::recipient.eq(recipient));
    count_by_box!(
        connection,
        own.filter(messages::message_box_id.is_not_null())
    )
}

/// Adds the names of the boxes and the age of their oldest messages.
fn named(
    connection: &mut AnyConnection,
    counted: Vec<Counted>,
    now: &Now,
) -> QueryResult<Vec<WaitingBox>> {
    let mut found: HashMap<i64, (String, String, Timestamp)> = HashMap::new();
    for part in counted.chunks(MAX_IDS) {
        let oldest: Vec<i64> = part.iter().map(|counted| counted.oldest).collect();
        let rows: Vec<(i64, String, String, Timestamp)> = messages::table
            .inner_join(message_boxes::table)
            .filter(messages::id.eq_any(oldest))
            .select((
                messages::id,
                message_boxes::identity_key,
                message_boxes::kind,
                messages::created_at,
            ))
            .load(connection)?;
        let rows = rows.into_iter();
        found.extend(rows.map(|(id, owner, name, time)| (id, (owner, name, time))));
    }
    let waiting = |counted: Counted| {
        // The box was emptied meanwhile.
        let (identity, message_box, oldest) = found.remove(&counted.oldest)?;
        Some(WaitingBox {
            id: counted.box_id,
            identity,
            message_box,
            messages: counted.messages,
            bytes: counted.bytes,
            oldest: now.since(&oldest),
        })
    };
    Ok(counted.into_iter().filter_map(waiting).collect())
}

/// Totals of identities in one role. In identity order they start after `after`.
pub(crate) fn totals(
    connection: &mut AnyConnection,
    role: Role,
    order: TotalsOrder,
    after: &str,
    limit: i64,
) -> QueryResult<Vec<IdentityTotal>> {
    let of_role = stored_totals::table
        .filter(stored_totals::role.eq(role.word()))
        .filter(stored_totals::messages.gt(0))
        .limit(limit)
        .into_boxed();
    let identity = stored_totals::identity_key;
    let ordered = match order {
        TotalsOrder::Identity => of_role.filter(identity.gt(after)).order(identity.asc()),
        TotalsOrder::Messages => of_role.order((stored_totals::messages.desc(), identity.asc())),
        TotalsOrder::Bytes => of_role.order((stored_totals::bytes.desc(), identity.asc())),
    };
    load_as!(
        connection,
        ordered,
        IdentityTotal {
            identity: stored_totals::identity_key,
            messages: stored_totals::messages,
            bytes: stored_totals::bytes,
        }
    )
}
