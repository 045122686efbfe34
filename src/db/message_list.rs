//! The messages of a box, listed within a bound of bytes.

use diesel::connection::DefaultLoadingMode;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::ids::IdentityKey;

use super::any_connection::{AnyConnection, MultiBackend};
use super::clock::Now;
use super::dialect::body_bytes;
use super::error::DbError;
use super::message::{MessagePage, Order, Page, StoredMessage};
use super::schema::{message_boxes, messages};
use super::timestamp::Timestamp;

/// What a message takes in a list beside its body: a sender, an id, four times.
pub(super) const MESSAGE_OVERHEAD: usize = 512;

/// Messages whose sizes are asked for at a time.
const SIZES: u16 = 256;

/// Whose messages, and from where on.
struct Listing<'a> {
    box_id: i64,
    owner: &'a str,
    page: Page,
    now: &'a Now,
}

impl<'a> Listing<'a> {
    /// Those behind the message with this id, in order.
    fn behind(&self, after: Option<i64>) -> messages::BoxedQuery<'a, MultiBackend> {
        let mut query = messages::table
            .filter(messages::message_box_id.eq(self.box_id))
            .filter(messages::recipient.eq(self.owner))
            .filter(
                messages::expires_at
                    .is_null()
                    .or(messages::expires_at.gt(&self.now.text)),
            )
            .into_boxed();
        if let Some(stale) = &self.now.stale {
            query = query.filter(messages::created_at.gt(stale));
        }
        match (self.page.order, after) {
            (Order::Ascending, None) => query.order(messages::id.asc()),
            (Order::Ascending, Some(id)) => {
                query.filter(messages::id.gt(id)).order(messages::id.asc())
            }
            (Order::Descending, None) => query.order(messages::id.desc()),
            (Order::Descending, Some(id)) => {
                query.filter(messages::id.lt(id)).order(messages::id.desc())
            }
        }
    }

    /// The first message that would be too much; none where all may be listed. Client libraries hold the whole of what is
    /// asked for, so that is measured first; SQLite gives one row after the other.
    fn first_too_much(
        &self,
        connection: &mut AnyConnection,
        max_bytes: usize,
    ) -> QueryResult<Option<i64>> {
        let Some(size) = body_bytes(connection) else {
            return Ok(None);
        };
        let max_bytes = i64::try_from(max_bytes).unwrap_or(i64::MAX);
        let overhead = i64::try_from(MESSAGE_OVERHEAD).unwrap_or(i64::MAX);
        let (mut after, mut offset) = (self.page.after, self.page.offset);
        let (mut bytes, mut count) = (0_i64, 0_i64);
        loop {
            let sizes: Vec<(i64, i64)> = self
                .behind(after)
                .select((messages::id, sql::<BigInt>(size)))
                .limit(SIZES.into())
                .offset(offset)
                .load(connection)?;
            for (id, size) in &sizes {
                bytes = bytes.saturating_add(*size).saturating_add(overhead);
                if bytes > max_bytes && count > 0 {
                    return Ok(Some(*id));
                }
                count += 1;
            }
            let enough = self.page.limit.is_some_and(|limit| count > limit);
            if enough || sizes.len() < usize::from(SIZES) {
                return Ok(None);
            }
            after = sizes.last().map(|(id, _)| *id);
            offset = 0;
        }
    }
}

/// The messages of a recipient's box, in the order in which they were stored unless the page says otherwise. What
/// is past its time is not listed. At least one, and no more than `max_bytes` of them.
pub(super) fn list(
    connection: &mut AnyConnection,
    recipient: &IdentityKey,
    message_box: &str,
    page: Page,
    max_bytes: usize,
    now: &Now,
) -> Result<MessagePage, DbError> {
    type Row = (i64, String, String, String, Timestamp, Timestamp);
    let owner = recipient.to_hex();
    let box_id: Option<i64> = message_boxes::table
        .filter(message_boxes::identity_key.eq(&owner))
        .filter(message_boxes::kind.eq(message_box))
        .select(message_boxes::message_box_id)
        .get_result(connection)
        .optional()?;
    let Some(box_id) = box_id else {
        return Ok(MessagePage::default());
    };
    let listing = Listing {
        box_id,
        owner: &owner,
        page,
        now,
    };
    let end = listing.first_too_much(connection, max_bytes)?;
    let mut query = listing.behind(page.after).select((
        messages::id,
        messages::message_id,
        messages::sender,
        messages::body,
        messages::created_at,
        messages::updated_at,
    ));
    query = match (page.order, end) {
        (_, None) => query,
        (Order::Ascending, Some(end)) => query.filter(messages::id.lt(end)),
        (Order::Descending, Some(end)) => query.filter(messages::id.gt(end)),
    };
    // One more than asked for tells whether there are more.
    let limit = page.limit.map_or(i64::MAX, |limit| limit.saturating_add(1));
    if page.limit.is_some() || page.offset > 0 {
        query = query.limit(limit).offset(page.offset);
    }
    let asked = page.limit.and_then(|limit| usize::try_from(limit).ok());
    let mut listed = MessagePage {
        more: end.is_some(),
        ..MessagePage::default()
    };
    let mut bytes: usize = 0;
    for row in query.load_iter::<Row, DefaultLoadingMode>(connection)? {
        let (id, message_id, sender, body, created_at, updated_at) = row?;
        bytes = bytes.saturating_add(body.len() + MESSAGE_OVERHEAD);
        let full = asked.is_some_and(|asked| listed.messages.len() == asked);
        if full || (bytes > max_bytes && !listed.messages.is_empty()) {
            listed.more = true;
            break;
        }
        listed.messages.push(StoredMessage {
            id,
            message_id,
            sender,
            body,
            created_at: created_at.0,
            updated_at: updated_at.0,
        });
    }
    Ok(listed)
}
