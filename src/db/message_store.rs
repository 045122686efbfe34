//! What is done with messages, as plain functions over a connection.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::ids::IdentityKey;

use super::clock::timestamp;
use super::connection::DbConnection;
use super::error::DbError;
use super::message::{NewMessage, StoreOutcome, StoredMessage};
use super::schema::{message_boxes, messages};

/// Ids of boxes that are known to exist, for the writer. Forgotten whole when it grows too large, and after
/// every transaction that did not commit.
#[derive(Debug, Default)]
pub(super) struct BoxIds(HashMap<IdentityKey, HashMap<String, i64>>);

const MAX_KNOWN_BOXES: usize = 50_000;

impl BoxIds {
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    fn get(&self, message: &NewMessage) -> Option<i64> {
        self.0
            .get(&message.recipient)?
            .get(&message.message_box)
            .copied()
    }

    fn insert(&mut self, message: &NewMessage, id: i64) {
        if self.0.len() >= MAX_KNOWN_BOXES {
            self.forget();
        }
        let own = self.0.entry(message.recipient).or_default();
        own.insert(message.message_box.clone(), id);
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
}

/// Stores one message inside the current transaction. `now` is its timestamp.
pub(super) fn store(
    connection: &mut DbConnection,
    boxes: &mut BoxIds,
    message: &NewMessage,
    now: &str,
) -> QueryResult<StoreOutcome> {
    let recipient = message.recipient.to_hex();
    let sender = message.sender.to_hex();
    let box_id = if let Some(id) = boxes.get(message) {
        id
    } else {
        let id = box_id(connection, &recipient, &message.message_box, now)?;
        boxes.insert(message, id);
        id
    };
    let inserted = diesel::insert_into(messages::table)
        .values(MessageRow {
            message_id: &message.message_id,
            created_at: now,
            updated_at: now,
            message_box_id: box_id,
            sender: &sender,
            recipient: &recipient,
            body: &message.body.wrapped(),
        })
        .on_conflict((messages::recipient, messages::message_id))
        .do_nothing()
        .execute(connection)?;
    if inserted > 0 {
        return Ok(StoreOutcome::Stored);
    }
    let first: String = messages::table
        .filter(messages::recipient.eq(&recipient))
        .filter(messages::message_id.eq(&message.message_id))
        .select(messages::sender)
        .first(connection)?;
    Ok(if first == sender {
        StoreOutcome::Duplicate
    } else {
        StoreOutcome::TakenByAnotherSender
    })
}

fn box_id(connection: &mut DbConnection, owner: &str, name: &str, now: &str) -> QueryResult<i64> {
    let find = |connection: &mut DbConnection| {
        message_boxes::table
            .filter(message_boxes::identity_key.eq(owner))
            .filter(message_boxes::kind.eq(name))
            .select(message_boxes::message_box_id)
            .first(connection)
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

/// The messages of a recipient's box, in the order in which they were stored.
pub(super) fn list(
    connection: &mut DbConnection,
    recipient: &IdentityKey,
    message_box: &str,
) -> Result<Vec<StoredMessage>, DbError> {
    type Row = (String, String, String, String, String);
    let owner = recipient.to_hex();
    let box_id: Option<i64> = message_boxes::table
        .filter(message_boxes::identity_key.eq(&owner))
        .filter(message_boxes::kind.eq(message_box))
        .select(message_boxes::message_box_id)
        .first(connection)
        .optional()?;
    let Some(box_id) = box_id else {
        return Ok(Vec::new());
    };
    let rows: Vec<Row> = messages::table
        .filter(messages::message_box_id.eq(box_id))
        .filter(messages::recipient.eq(&owner))
        .order(messages::id.asc())
        .select((
            messages::message_id,
            messages::sender,
            messages::body,
            messages::created_at,
            messages::updated_at,
        ))
        .load(connection)?;
    let stored = |(message_id, sender, body, created_at, updated_at): Row| StoredMessage {
        message_id,
        sender,
        body,
        created_at,
        updated_at,
    };
    Ok(rows.into_iter().map(stored).collect())
}

/// Deletes messages of this recipient, inside the current transaction; says how many there were.
pub(super) fn acknowledge(
    connection: &mut DbConnection,
    recipient: &IdentityKey,
    message_ids: &[String],
) -> QueryResult<usize> {
    let owner = recipient.to_hex();
    let mut deleted = 0;
    // One statement for each id keeps the statement the same, and so prepared.
    for message_id in message_ids {
        deleted += diesel::delete(
            messages::table
                .filter(messages::recipient.eq(&owner))
                .filter(messages::message_id.eq(message_id)),
        )
        .execute(connection)?;
    }
    Ok(deleted)
}

/// The timestamp for what is stored now.
pub(super) fn now() -> String {
    timestamp()
}
