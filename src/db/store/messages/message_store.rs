//! Storing and acknowledging messages.

use diesel::prelude::*;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::{self, Now, Timestamp};
use crate::db::engine::dialect::{directly, insert_unless_there, octet_length};
use crate::db::engine::schema::{message_boxes, messages};
use crate::ids::IdentityKey;
use crate::model::{NewMessage, StoreOutcome};

use crate::db::store::command::{Batching, Decided, WriteCommand, WriteScope};
use crate::db::store::totals::changes::TotalChanges;

#[derive(Insertable)]
#[diesel(table_name = messages)]
pub(crate) struct MessageRow<'a> {
    pub(crate) message_id: &'a str,
    pub(crate) created_at: &'a Timestamp,
    pub(crate) updated_at: &'a Timestamp,
    pub(crate) message_box_id: i64,
    pub(crate) sender: &'a str,
    pub(crate) recipient: &'a str,
    pub(crate) body: &'a str,
    pub(crate) expires_at: Option<&'a Timestamp>,
}

/// Stores one message in the current transaction.
pub(crate) fn store(scope: &mut WriteScope<'_>, message: &NewMessage) -> QueryResult<StoreOutcome> {
    let recipient = message.recipient.to_hex();
    let sender = message.sender.to_hex();
    let now = &scope.now.text;
    let known = scope.boxes.get(&message.recipient, &message.message_box);
    let box_id = if let Some(id) = known {
        id
    } else {
        // A refused message creates no box.
        if in_use(scope.connection, message, scope.now)? == Some(StoreOutcome::Taken) {
            return Ok(StoreOutcome::Taken);
        }
        let id = box_id(scope.connection, &recipient, &message.message_box, now)?;
        scope
            .boxes
            .insert(&message.recipient, &message.message_box, id);
        id
    };
    let expires_at = expiry(scope, message);
    let body = message.body.wrapped(message.payment.as_deref());
    let row = MessageRow {
        message_id: &message.message_id,
        created_at: now,
        updated_at: now,
        message_box_id: box_id,
        sender: &sender,
        recipient: &recipient,
        body: &body,
        expires_at: expires_at.as_ref(),
    };
    let bytes = i64::try_from(body.len()).unwrap_or(i64::MAX);
    if insert(scope.connection, &row)? {
        count(scope, |totals| totals.add(recipient, sender, bytes));
        return Ok(StoreOutcome::Stored);
    }
    let first = find(scope.connection, &recipient, &message.message_id)?;
    let Some(first) = first else {
        return Err(diesel::result::Error::NotFound);
    };
    if first.is_past(scope.now) {
        diesel::delete(messages::table.find(first.id)).execute(scope.connection)?;
        insert(scope.connection, &row)?;
        count(scope, |totals| {
            totals.remove(recipient.clone(), first.sender, first.bytes.into());
            totals.add(recipient, sender, bytes);
        });
        return Ok(StoreOutcome::Stored);
    }
    Ok(first.used_by(&sender, Some(box_id)))
}

/// Changes the totals if a quota is set.
fn count(scope: &mut WriteScope<'_>, change: impl FnOnce(&mut TotalChanges)) {
    if !scope.quotas.are_none() {
        change(scope.totals);
    }
}

/// When a message expires: at its own time, or after its box's retention. On MySQL, the server's retention counts too:
/// newer TypeScript servers read only this column.
pub(crate) fn expiry(scope: &WriteScope<'_>, message: &NewMessage) -> Option<Timestamp> {
    let own = message.expires_at.map(clock::text);
    let retained_until = match scope.connection {
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(_) => scope.now.retained_until.clone(),
        _ => None,
    };
    let in_box = scope.retention.until(&message.message_box, scope.now);
    let all = [own, retained_until, in_box];
    all.into_iter().flatten().min()
}

fn insert(connection: &mut AnyConnection, row: &MessageRow<'_>) -> QueryResult<bool> {
    let unique = (messages::recipient, messages::message_id);
    insert_unless_there!(connection, messages::table, row, unique)
}

#[derive(Queryable)]
pub(crate) struct ExistingMessage {
    pub(crate) id: i64,
    /// None for some rows of other servers.
    pub(crate) box_id: Option<i64>,
    pub(crate) sender: String,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    /// Bytes of its body.
    pub(crate) bytes: i32,
}

impl ExistingMessage {
    pub(crate) fn is_past(&self, now: &Now) -> bool {
        now.is_past(&self.created_at, self.expires_at.as_ref())
    }

    /// The outcome when `sender` reuses its id in this box. `box_id` is none if the box does not exist yet. Bodies are
    /// not compared, because clients encrypt anew for each attempt.
    fn used_by(&self, sender: &str, box_id: Option<i64>) -> StoreOutcome {
        if self.sender == sender && box_id.is_some() && self.box_id == box_id {
            StoreOutcome::Duplicate
        } else {
            StoreOutcome::Taken
        }
    }
}

/// The message of this recipient with this id.
pub(crate) fn find(
    connection: &mut AnyConnection,
    recipient: &str,
    message_id: &str,
) -> QueryResult<Option<ExistingMessage>> {
    let query = messages::table
        .filter(messages::recipient.eq(recipient))
        .filter(messages::message_id.eq(message_id))
        .select((
            messages::id,
            messages::message_box_id.nullable(),
            messages::sender,
            messages::created_at,
            messages::expires_at,
            octet_length(messages::body),
        ));
    let found: QueryResult<ExistingMessage> =
        directly!(connection, inner => query.get_result(inner));
    found.optional()
}

/// The outcome of storing this message if its id is in use: a duplicate, or taken.
pub(crate) fn in_use(
    connection: &mut AnyConnection,
    message: &NewMessage,
    now: &Now,
) -> QueryResult<Option<StoreOutcome>> {
    let recipient = message.recipient.to_hex();
    let first = find(connection, &recipient, &message.message_id)?;
    let Some(first) = first.filter(|first| !first.is_past(now)) else {
        return Ok(None);
    };
    let box_id = find_box(connection, &recipient, &message.message_box)?;
    Ok(Some(first.used_by(&message.sender.to_hex(), box_id)))
}

pub(crate) fn find_box(
    connection: &mut AnyConnection,
    owner: &str,
    name: &str,
) -> QueryResult<Option<i64>> {
    let query = message_boxes::table
        .filter(message_boxes::identity_key.eq(owner))
        .filter(message_boxes::kind.eq(name))
        .select(message_boxes::message_box_id);
    let found: QueryResult<i64> = directly!(connection, inner => query.get_result(inner));
    found.optional()
}

fn box_id(
    connection: &mut AnyConnection,
    owner: &str,
    name: &str,
    now: &Timestamp,
) -> QueryResult<i64> {
    if let Some(id) = find_box(connection, owner, name)? {
        return Ok(id);
    }
    let row = (
        message_boxes::created_at.eq(now),
        message_boxes::updated_at.eq(now),
        message_boxes::kind.eq(name),
        message_boxes::identity_key.eq(owner),
    );
    let unique = (message_boxes::identity_key, message_boxes::kind);
    insert_unless_there!(connection, message_boxes::table, row, unique)?;
    find_box(connection, owner, name)?.ok_or(diesel::result::Error::NotFound)
}

/// Maximum ids per statement. All engines accept tens of thousands of values.
const MAX_IDS: usize = 500;

/// Command: delete messages of this recipient and return their number.
#[derive(Debug)]
pub(crate) struct Acknowledge {
    pub(crate) recipient: IdentityKey,
    pub(crate) message_ids: Vec<String>,
}

impl WriteCommand for Acknowledge {
    type Output = usize;

    fn owner(&self) -> Option<IdentityKey> {
        Some(self.recipient)
    }

    fn batching(&self) -> Batching<'_> {
        Batching::Acknowledge {
            recipient: self.recipient,
            message_ids: &self.message_ids,
        }
    }

    fn output_of(&self, decided: Decided) -> Option<usize> {
        match decided {
            Decided::Acknowledged(count) => Some(count),
            Decided::Submission(_) => None,
        }
    }

    fn run(&self, scope: &mut WriteScope<'_>) -> QueryResult<usize> {
        let owner = self.recipient.to_hex();
        let mut deleted = 0;
        for message_ids in self.message_ids.chunks(MAX_IDS) {
            let own = messages::table.filter(messages::recipient.eq(&owner));
            if !scope.quotas.are_none() {
                let rows: Vec<(String, i32)> = own
                    .filter(messages::message_id.eq_any(message_ids))
                    .select((messages::sender, octet_length(messages::body)))
                    .load(scope.connection)?;
                for (sender, bytes) in rows {
                    scope.totals.remove(owner.clone(), sender, bytes.into());
                }
            }
            let several = own.filter(messages::message_id.eq_any(message_ids));
            deleted += diesel::delete(several).execute(scope.connection)?;
        }
        Ok(deleted)
    }

    fn places(&self) -> usize {
        self.message_ids.len().max(1)
    }
}
