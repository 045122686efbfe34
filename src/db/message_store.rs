//! What is done with messages, as plain functions over a connection.

use std::collections::HashMap;

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;

use crate::ids::IdentityKey;

use super::clock::{self, Now};
use super::command::{Command, Work};
use super::connection::DbConnection;
use super::error::DbError;
use super::message::{MessagePage, NewMessage, Order, Page, StoreOutcome, StoredMessage};
use super::schema::{message_boxes, messages};

/// Ids of boxes that are known to exist, for the writer. Forgotten whole when it grows too large, and after
/// every transaction that did not commit.
#[derive(Debug, Default)]
pub(super) struct BoxIds {
    by_owner: HashMap<IdentityKey, HashMap<String, i64>>,
    count: usize,
}

const MAX_KNOWN_BOXES: usize = 50_000;

impl BoxIds {
    pub(super) fn forget(&mut self) {
        self.by_owner.clear();
        self.count = 0;
    }

    fn get(&self, message: &NewMessage) -> Option<i64> {
        self.by_owner
            .get(&message.recipient)?
            .get(&message.message_box)
            .copied()
    }

    /// How many are known.
    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) fn insert(&mut self, message: &NewMessage, id: i64) {
        if self.count >= MAX_KNOWN_BOXES {
            self.forget();
        }
        let own = self.by_owner.entry(message.recipient).or_default();
        if own.insert(message.message_box.clone(), id).is_none() {
            self.count += 1;
        }
    }
}

#[derive(Insertable)]
#[diesel(table_name = messages)]
struct MessageRow<'a> {
    message_id: &'a str,
    created_at: &'a str,
    updated_at: &'a str,
    message_box_id: i64,
    sender: &'a str,
    recipient: &'a str,
    body: &'a str,
    expires_at: Option<&'a str>,
}

/// Stores one message inside the current transaction.
pub(super) fn store(work: &mut Work<'_>, message: &NewMessage) -> QueryResult<StoreOutcome> {
    let recipient = message.recipient.to_hex();
    let sender = message.sender.to_hex();
    let now = work.now.text.as_str();
    let box_id = if let Some(id) = work.boxes.get(message) {
        id
    } else {
        let id = box_id(work.connection, &recipient, &message.message_box, now)?;
        work.boxes.insert(message, id);
        id
    };
    let expires_at = message.expires_at.map(clock::text);
    let body = message.body.wrapped(message.payment.as_deref());
    let row = MessageRow {
        message_id: &message.message_id,
        created_at: now,
        updated_at: now,
        message_box_id: box_id,
        sender: &sender,
        recipient: &recipient,
        body: &body,
        expires_at: expires_at.as_deref(),
    };
    if insert(work.connection, &row)? {
        return Ok(StoreOutcome::Stored);
    }
    let first = find(work.connection, &recipient, &message.message_id)?;
    let Some(first) = first else {
        return Err(diesel::result::Error::NotFound);
    };
    if first.is_past(work.now) {
        diesel::delete(messages::table.find(first.id)).execute(work.connection)?;
        insert(work.connection, &row)?;
        return Ok(StoreOutcome::Stored);
    }
    Ok(first.used_by(&sender))
}

fn insert(connection: &mut DbConnection, row: &MessageRow<'_>) -> QueryResult<bool> {
    let inserted = diesel::insert_into(messages::table)
        .values(row)
        .on_conflict((messages::recipient, messages::message_id))
        .do_nothing()
        .execute(connection)?;
    Ok(inserted > 0)
}

#[derive(Queryable)]
struct First {
    id: i64,
    sender: String,
    created_at: String,
    expires_at: Option<String>,
}

impl First {
    fn is_past(&self, now: &Now) -> bool {
        now.is_past(&self.created_at, self.expires_at.as_deref())
    }

    /// What it comes to that `sender` uses its id again.
    fn used_by(&self, sender: &str) -> StoreOutcome {
        if self.sender == sender {
            StoreOutcome::Duplicate
        } else {
            StoreOutcome::TakenByAnotherSender
        }
    }
}

/// The message of this recipient that has this id.
fn find(
    connection: &mut DbConnection,
    recipient: &str,
    message_id: &str,
) -> QueryResult<Option<First>> {
    messages::table
        .filter(messages::recipient.eq(recipient))
        .filter(messages::message_id.eq(message_id))
        .select((
            messages::id,
            messages::sender,
            messages::created_at,
            messages::expires_at,
        ))
        .get_result(connection)
        .optional()
}

/// What storing this message would come to, where its id is in use: a duplicate, or another sender's.
pub(super) fn in_use(
    connection: &mut DbConnection,
    message: &NewMessage,
    now: &Now,
) -> QueryResult<Option<StoreOutcome>> {
    let recipient = message.recipient.to_hex();
    let first = find(connection, &recipient, &message.message_id)?;
    let sender = message.sender.to_hex();
    let current = first.filter(|first| !first.is_past(now));
    Ok(current.map(|first| first.used_by(&sender)))
}

fn box_id(connection: &mut DbConnection, owner: &str, name: &str, now: &str) -> QueryResult<i64> {
    let find = |connection: &mut DbConnection| {
        message_boxes::table
            .filter(message_boxes::identity_key.eq(owner))
            .filter(message_boxes::kind.eq(name))
            .select(message_boxes::message_box_id)
            .get_result(connection)
            .optional()
    };
    if let Some(id) = find(connection)? {
        return Ok(id);
    }
    diesel::insert_into(message_boxes::table)
        .values((
            message_boxes::created_at.eq(now),
            message_boxes::updated_at.eq(now),
            message_boxes::kind.eq(name),
            message_boxes::identity_key.eq(owner),
        ))
        .on_conflict((message_boxes::identity_key, message_boxes::kind))
        .do_nothing()
        .execute(connection)?;
    find(connection)?.ok_or(diesel::result::Error::NotFound)
}

/// The messages of a recipient's box, in the order in which they were stored unless the page says otherwise. What
/// is past its time is not listed. At least one, and no more than `max_bytes` of them.
pub(super) fn list(
    connection: &mut DbConnection,
    recipient: &IdentityKey,
    message_box: &str,
    page: Page,
    max_bytes: usize,
    now: &Now,
) -> Result<MessagePage, DbError> {
    type Row = (i64, String, String, String, String, String);
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
    let mut query = messages::table
        .filter(messages::message_box_id.eq(box_id))
        .filter(messages::recipient.eq(&owner))
        .filter(
            messages::expires_at
                .is_null()
                .or(messages::expires_at.gt(&now.text)),
        )
        .select((
            messages::id,
            messages::message_id,
            messages::sender,
            messages::body,
            messages::created_at,
            messages::updated_at,
        ))
        .into_boxed();
    if let Some(stale) = &now.stale {
        query = query.filter(messages::created_at.gt(stale));
    }
    query = match (page.order, page.after) {
        (Order::Ascending, None) => query.order(messages::id.asc()),
        (Order::Ascending, Some(id)) => query.filter(messages::id.gt(id)).order(messages::id.asc()),
        (Order::Descending, None) => query.order(messages::id.desc()),
        (Order::Descending, Some(id)) => {
            query.filter(messages::id.lt(id)).order(messages::id.desc())
        }
    };
    // One more than asked for tells whether there are more.
    let limit = page.limit.map_or(i64::MAX, |limit| limit.saturating_add(1));
    if page.limit.is_some() || page.offset > 0 {
        query = query.limit(limit).offset(page.offset);
    }
    let asked = page.limit.and_then(|limit| usize::try_from(limit).ok());
    let mut listed = MessagePage::default();
    let mut bytes: usize = 0;
    for row in query.load_iter::<Row, DefaultLoadingMode>(connection)? {
        let (id, message_id, sender, body, created_at, updated_at) = row?;
        bytes = bytes.saturating_add(body.len());
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
            created_at,
            updated_at,
        });
    }
    Ok(listed)
}

/// Command: delete messages of this recipient; says how many there were.
pub(super) struct Acknowledge {
    pub(super) recipient: IdentityKey,
    pub(super) message_ids: Vec<String>,
}

impl Command for Acknowledge {
    type Output = usize;

    fn run(&self, work: &mut Work<'_>) -> QueryResult<usize> {
        let owner = self.recipient.to_hex();
        let mut deleted = 0;
        // One statement for each id keeps the statement the same, and so prepared.
        for message_id in &self.message_ids {
            deleted += diesel::delete(
                messages::table
                    .filter(messages::recipient.eq(&owner))
                    .filter(messages::message_id.eq(message_id)),
            )
            .execute(work.connection)?;
        }
        Ok(deleted)
    }

    fn places(&self) -> usize {
        self.message_ids.len().max(1)
    }
}
