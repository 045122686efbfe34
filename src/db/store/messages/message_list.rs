//! The messages of a box, listed within a bound of bytes.

use std::collections::VecDeque;

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;

use crate::db::engine::any_connection::{AnyConnection, MultiBackend};
use crate::db::engine::clock::{Now, Timestamp};
use crate::db::engine::dialect::octet_length;
use crate::db::engine::error::DbError;
use crate::db::engine::schema::{message_boxes, messages};
use crate::ids::IdentityKey;
use crate::model::{
    ListBound, ListOrder, ListSink, OversizedMessage, Page, PageEnd, StoredMessage,
};

use super::page_builder::PageBuilder;
use super::page_cursors::PageCursor;

/// Messages whose sizes are asked for at a time.
const SIZES: u16 = 1_000;

/// Bytes of bodies that one statement reads where the client library buffers its result, unless one body alone is larger.
const READ_BYTES: i64 = 1024 * 1024;

/// A request for messages of a box.
pub(crate) struct ListQuery<'a> {
    pub(crate) recipient: &'a IdentityKey,
    pub(crate) message_box: &'a str,
    pub(crate) page: &'a Page,
    pub(crate) bound: &'a ListBound,
    /// The end of the last page of this box, if the handle kept one.
    pub(crate) cursor: Option<PageCursor>,
    pub(crate) now: &'a Now,
}

/// A box that is being listed, with a cursor into it.
struct Listing<'a> {
    query: &'a ListQuery<'a>,
    owner: &'a str,
    /// The list begins behind the message with this id.
    after: Option<i64>,
    /// It skips this many messages there.
    offset: i64,
}

/// The result of measuring messages without reading their bodies.
#[derive(Default)]
struct MeasuredList {
    /// Id of the first message in order.
    first: Option<i64>,
    /// Id of the first message that does not fit; none where all fit.
    end: Option<i64>,
    /// Ids of messages before it that no page can hold.
    oversized: Vec<i64>,
    /// Ids of messages before it with which another statement begins.
    parts: Vec<i64>,
}

/// Messages that are read with one statement: behind one id, before another.
struct ListPart {
    after: Option<i64>,
    offset: i64,
    end: Option<i64>,
}

/// Whether a message is in the box. The box lookup is part of the statement, which saves a round trip. As a single
/// value, it lets the index provide the order.
macro_rules! is_in_box {
    ($listing:expr) => {
        messages::message_box_id.nullable().eq(message_boxes::table
            .filter(message_boxes::identity_key.eq($listing.owner))
            .filter(message_boxes::kind.eq($listing.query.message_box))
            .select(message_boxes::message_box_id)
            .single_value())
    };
}

impl<'a> Listing<'a> {
    /// Visible messages behind the one with this id, in order.
    fn behind(&self, after: Option<i64>) -> messages::BoxedQuery<'a, MultiBackend> {
        let mut query = messages::table
            .filter(is_in_box!(self))
            .filter(messages::recipient.eq(self.owner))
            .filter(
                messages::expires_at
                    .is_null()
                    .or(messages::expires_at.gt(&self.query.now.text)),
            )
            .into_boxed();
        if let Some(stale) = &self.query.now.stale {
            query = query.filter(messages::created_at.gt(stale));
        }
        if let Some(message_id) = &self.query.page.message_id {
            query = query.filter(messages::message_id.eq(message_id));
        }
        match (self.query.page.order, after) {
            (ListOrder::Ascending, None) => query.order(messages::id.asc()),
            (ListOrder::Ascending, Some(id)) => {
                query.filter(messages::id.gt(id)).order(messages::id.asc())
            }
            (ListOrder::Descending, None) => query.order(messages::id.desc()),
            (ListOrder::Descending, Some(id)) => {
                query.filter(messages::id.lt(id)).order(messages::id.desc())
            }
        }
    }

    /// Counts messages of the box up to this one, expired ones included. An index alone answers it.
    fn count_up_to(&self, connection: &mut AnyConnection, id: i64) -> QueryResult<i64> {
        let all = messages::table.filter(is_in_box!(self));
        match self.query.page.order {
            ListOrder::Ascending => all
                .filter(messages::id.le(id))
                .count()
                .get_result(connection),
            ListOrder::Descending => all
                .filter(messages::id.ge(id))
                .count()
                .get_result(connection),
        }
    }

    /// Continues behind the previous page instead of skipping all messages again, unless one of them was deleted since.
    fn resume(&mut self, connection: &mut AnyConnection, cursor: &PageCursor) -> QueryResult<()> {
        if self.count_up_to(connection, cursor.last)? == cursor.below {
            self.after = Some(cursor.last);
            self.offset = 0;
        }
        Ok(())
    }

    /// Adds up sizes before any body is read: the client libraries of MySQL and PostgreSQL buffer whole results.
    /// Returns none for SQLite, which streams rows.
    fn measure(&self, connection: &mut AnyConnection) -> QueryResult<Option<MeasuredList>> {
        if matches!(connection, AnyConnection::Sqlite(_)) {
            return Ok(None);
        }
        let int = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        let (max_bytes, overhead) = (
            int(self.query.bound.max_bytes),
            int(self.query.bound.overhead),
        );
        let (mut after, mut offset) = (self.after, self.offset);
        let (mut bytes, mut part, mut count) = (0_i64, 0_i64, 0_i64);
        let mut measured = MeasuredList::default();
        loop {
            let sizes: Vec<(i64, i32)> = self
                .behind(after)
                .select((messages::id, octet_length(messages::body)))
                .limit(SIZES.into())
                .offset(offset)
                .load(connection)?;
            for (id, size) in &sizes {
                measured.first.get_or_insert(*id);
                let least = i64::from(*size).saturating_add(overhead);
                let is_oversized = self.query.bound.name.is_some() && least > max_bytes;
                bytes = bytes.saturating_add(if is_oversized { overhead } else { least });
                if bytes > max_bytes && count > 0 {
                    measured.end = Some(*id);
                    return Ok(Some(measured));
                }
                if is_oversized {
                    measured.oversized.push(*id);
                } else {
                    part = part.saturating_add(least);
                    if part > READ_BYTES && part > least {
                        measured.parts.push(*id);
                        part = least;
                    }
                }
                count += 1;
            }
            let enough = self.query.page.limit.is_some_and(|limit| count > limit);
            if enough || sizes.len() < usize::from(SIZES) {
                return Ok(Some(measured));
            }
            after = sizes.last().map(|(id, _)| *id);
            offset = 0;
        }
    }

    /// Loads the names of messages that are too large for a page. Their bodies stay in the database.
    fn named(
        &self,
        connection: &mut AnyConnection,
        ids: &[i64],
    ) -> QueryResult<VecDeque<(i64, OversizedMessage)>> {
        type Row = (i64, String, String, Timestamp, i32);
        if ids.is_empty() {
            return Ok(VecDeque::new());
        }
        let rows: Vec<Row> = self
            .behind(None)
            .filter(messages::id.eq_any(ids.to_vec()))
            .select((
                messages::id,
                messages::message_id,
                messages::sender,
                messages::created_at,
                octet_length(messages::body),
            ))
            .load(connection)?;
        let named = |(id, message_id, sender, created_at, size): Row| {
            let named = OversizedMessage {
                message_id,
                sender,
                body_bytes: usize::try_from(size).unwrap_or(usize::MAX),
                created_at: created_at.0,
            };
            (id, named)
        };
        Ok(rows.into_iter().map(named).collect())
    }

    /// Reads messages until the page is full.
    fn read(
        &self,
        connection: &mut AnyConnection,
        sink: &mut dyn ListSink,
    ) -> Result<PageEnd, DbError> {
        let measured = self.measure(connection)?;
        let (mut after, mut offset) = (self.after, self.offset);
        if let Some(measured) = &measured {
            let Some(first) = measured.first else {
                return Ok(PageEnd::default());
            };
            (after, offset) = (Some(self.before(first)), 0);
        }
        let measured = measured.unwrap_or_default();
        let mut named = self.named(connection, &measured.oversized)?;
        let mut page = PageBuilder::new(self.query.page, self.query.bound, sink);
        let ends = measured.parts.iter().copied().map(Some);
        for end in ends.chain([measured.end]) {
            let part = ListPart { after, offset, end };
            self.read_part(
                connection,
                &part,
                &measured.oversized,
                &mut named,
                &mut page,
            )?;
            if page.is_full {
                break;
            }
            (after, offset) = (end.map(|id| self.before(id)), 0);
        }
        for (id, message) in named {
            page.name(id, message)?;
        }
        let mut listed = page.listed;
        listed.more |= measured.end.is_some();
        Ok(listed)
    }

    /// Reads one part, with one statement.
    fn read_part(
        &self,
        connection: &mut AnyConnection,
        part: &ListPart,
        oversized: &[i64],
        named: &mut VecDeque<(i64, OversizedMessage)>,
        page: &mut PageBuilder<'_>,
    ) -> Result<(), DbError> {
        type Row = (i64, String, String, String, Timestamp, Timestamp);
        let mut query = self.behind(part.after).select((
            messages::id,
            messages::message_id,
            messages::sender,
            messages::body,
            messages::created_at,
            messages::updated_at,
        ));
        query = match (self.query.page.order, part.end) {
            (_, None) => query,
            (ListOrder::Ascending, Some(end)) => query.filter(messages::id.lt(end)),
            (ListOrder::Descending, Some(end)) => query.filter(messages::id.gt(end)),
        };
        if !oversized.is_empty() {
            query = query.filter(messages::id.ne_all(oversized.to_vec()));
        }
        // One extra row shows whether there are more.
        let limit = self
            .query
            .page
            .limit
            .map_or(i64::MAX, |limit| limit.saturating_add(1));
        if self.query.page.limit.is_some() || part.offset > 0 {
            query = query.limit(limit).offset(part.offset);
        }
        for row in query.load_iter::<Row, DefaultLoadingMode>(connection)? {
            let (id, message_id, sender, body, created_at, updated_at) = row?;
            while named
                .front()
                .is_some_and(|(named_id, _)| self.is_before(*named_id, id))
            {
                let Some((named_id, message)) = named.pop_front() else {
                    break;
                };
                page.name(named_id, message)?;
            }
            page.list(StoredMessage {
                id,
                message_id,
                sender,
                body,
                created_at: created_at.0,
                updated_at: updated_at.0,
            })?;
            if page.is_full {
                break;
            }
        }
        Ok(())
    }

    /// The id behind which this message is the first.
    const fn before(&self, id: i64) -> i64 {
        match self.query.page.order {
            ListOrder::Ascending => id.saturating_sub(1),
            ListOrder::Descending => id.saturating_add(1),
        }
    }

    const fn is_before(&self, one: i64, other: i64) -> bool {
        match self.query.page.order {
            ListOrder::Ascending => one < other,
            ListOrder::Descending => one > other,
        }
    }
}

/// Lists messages of a recipient's box in storage order, unless the page asks for the reverse. Expired messages are
/// skipped. The returned cursor is for the next page.
pub(crate) fn list(
    connection: &mut AnyConnection,
    query: &ListQuery<'_>,
    sink: &mut dyn ListSink,
) -> Result<(PageEnd, Option<PageCursor>), DbError> {
    let (page, owner) = (query.page, query.recipient.to_hex());
    let mut listing = Listing {
        query,
        owner: &owner,
        after: page.after,
        offset: page.offset,
    };
    if let Some(cursor) = query.cursor.filter(|cursor| cursor.is_for(page)) {
        listing.resume(connection, &cursor)?;
    }
    let listed = listing.read(connection, sink)?;
    let next = match listed
        .last
        .filter(|_| listed.more && PageCursor::can_follow(page))
    {
        None => None,
        Some(last) => Some(PageCursor {
            order: page.order,
            offset: page
                .offset
                .saturating_add(i64::try_from(listed.count).unwrap_or(i64::MAX)),
            last,
            below: listing.count_up_to(connection, last)?,
        }),
    };
    Ok((listed, next))
}
