//! SQLite: one statement per row. There are no round trips, and short prepared statements are fastest.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::Now;
use crate::db::engine::clock::{Moment, Timestamp};
use crate::db::engine::schema::{message_boxes, messages};
use crate::db::engine::statement::{statement, with_values};
use crate::db::store::fees::{delivery_fee, permission};
use crate::db::store::messages::message_store::{self, find_box};
use crate::db::store::totals;
use crate::db::store::totals::changes::TotalChange;

use super::lookup::{BoxKey, FoundMessage, LookupKeys, LookupResults};
use super::new_row::NewRow;

pub(super) fn look_up(
    connection: &mut AnyConnection,
    lookup: &LookupKeys<'_>,
    now: &Now,
) -> QueryResult<LookupResults> {
    let mut results = LookupResults::none(lookup);
    let boxes = lookup.boxes.iter().zip(&mut results.boxes);
    for ((owner, name), answer) in boxes {
        *answer = find_box(connection, &owner.to_hex(), name)?;
    }
    let fees = lookup.fees.iter().zip(&mut results.fees);
    for (name, answer) in fees {
        *answer = delivery_fee(connection, name)?;
    }
    let permissions = lookup.permissions.iter();
    for ((recipient, sender, name), answer) in permissions.zip(&mut results.permissions) {
        *answer = permission(connection, recipient, sender, name)?;
    }
    let found = lookup.messages.iter().zip(&mut results.messages);
    for ((recipient, message_id), answer) in found {
        let first = message_store::find(connection, &recipient.to_hex(), message_id)?;
        *answer = first.map(|first| FoundMessage {
            is_past: first.is_past(now),
            id: first.id,
            box_id: first.box_id,
            bytes: first.bytes.into(),
            sender: first.sender,
        });
    }
    let totals = lookup.totals.iter().zip(&mut results.totals);
    for ((identity, role), answer) in totals {
        *answer = totals::total(connection, &identity.to_hex(), *role)?;
    }
    Ok(results)
}

pub(super) fn delete(connection: &mut SqliteConnection, ids: &[i64]) -> QueryResult<()> {
    for id in ids {
        diesel::delete(messages::table.find(id)).execute(connection)?;
    }
    Ok(())
}

/// Creates boxes and returns their ids.
pub(super) fn create_boxes(
    connection: &mut SqliteConnection,
    keys: &[BoxKey<'_>],
    now: &Now,
) -> QueryResult<Vec<i64>> {
    let create = |(owner, name): &BoxKey<'_>| {
        diesel::insert_into(message_boxes::table)
            .values((
                message_boxes::created_at.eq(&now.text),
                message_boxes::updated_at.eq(&now.text),
                message_boxes::kind.eq(name),
                message_boxes::identity_key.eq(owner.to_hex()),
            ))
            .returning(message_boxes::message_box_id)
            .get_result(connection)
    };
    keys.iter().map(create).collect()
}

statement! {
    Insert<'a> on Sqlite, SqliteConnection: (
        message_id: Text = &'a str,
        created_at: Moment = &'a Timestamp,
        updated_at: Moment = &'a Timestamp,
        box_id: BigInt = i64,
        sender: Text = &'a str,
        recipient: Text = &'a str,
        body: Text = &'a str,
        expires_at: Nullable<Moment> = Option<&'a Timestamp>
    ) -> BigInt = r#"
INSERT INTO "messages"
    ("messageId", "created_at", "updated_at", "messageBoxId", "sender", "recipient", "body", "expires_at")
VALUES (?, ?, ?, ?, ?, ?, ?, ?)"#
}

pub(super) fn insert(
    connection: &mut SqliteConnection,
    rows: &[NewRow<'_>],
    now: &Now,
) -> QueryResult<()> {
    for row in rows {
        with_values!(Insert {
            message_id: row.message_id,
            created_at: &now.text,
            updated_at: &now.text,
            box_id: row.box_id.ok_or(diesel::result::Error::NotFound)?,
            sender: &row.sender,
            recipient: &row.recipient,
            body: &row.body,
            expires_at: row.expires_at.as_ref(),
        })
        .execute(connection)?;
    }
    Ok(())
}

statement! {
    ChangeTotal<'a> on Sqlite, SqliteConnection: (
        identity: Text = &'a str,
        role: Text = &'a str,
        messages: BigInt = i64,
        bytes: BigInt = i64
    ) -> BigInt = r#"
INSERT INTO "stored_totals" ("identity_key", "role", "messages", "bytes") VALUES (?, ?, ?, ?)
ON CONFLICT ("identity_key", "role") DO UPDATE
SET "messages" = "messages" + excluded."messages", "bytes" = "bytes" + excluded."bytes""#
}

pub(super) fn change_totals(
    connection: &mut SqliteConnection,
    changes: &[TotalChange],
) -> QueryResult<()> {
    for (identity, role, change) in changes {
        with_values!(ChangeTotal {
            identity,
            role: role.word(),
            messages: change.messages,
            bytes: change.bytes,
        })
        .execute(connection)?;
    }
    Ok(())
}
