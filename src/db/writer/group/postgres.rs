//! PostgreSQL: arrays carry the rows of a statement.

use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text};

use crate::db::engine::clock::{Moment, Now, Timestamp};
use crate::db::engine::statement::{statement, with_values};
use crate::db::store::totals::changes::TotalChange;

use super::lookup::{BoxKey, FoundColumns, FoundRow, LookupKeys, LookupResults};
use super::new_row::NewRow;

/// The limits keep the planner from scanning a whole table for a join: each key takes one index lookup.
const LOOK_UP: &str = r#"
SELECT 0::bigint, k.place, b."messageBoxId", NULL::bigint, NULL::bigint, NULL::text, NULL::timestamptz, NULL::timestamptz
FROM unnest(?, ?) WITH ORDINALITY AS k (owner, name, place)
CROSS JOIN LATERAL (
    SELECT "messageBoxId" FROM "messageBox" WHERE "identityKey" = k.owner AND "type" = k.name LIMIT 1
) AS b
UNION ALL
SELECT 1, k.place, f."delivery_fee", NULL, NULL, NULL, NULL, NULL
FROM unnest(?) WITH ORDINALITY AS k (name, place)
CROSS JOIN LATERAL (SELECT "delivery_fee" FROM "server_fees" WHERE "message_box" = k.name LIMIT 1) AS f
UNION ALL
SELECT p.kind, k.place, p."recipient_fee", NULL, NULL, NULL, NULL, NULL
FROM unnest(?, ?, ?) WITH ORDINALITY AS k (recipient, sender, name, place)
CROSS JOIN LATERAL (
    (SELECT 2 AS kind, "recipient_fee" FROM "message_permissions"
     WHERE "recipient" = k.recipient AND "message_box" = k.name AND "sender" = k.sender LIMIT 1)
    UNION ALL
    (SELECT 3 AS kind, "recipient_fee" FROM "message_permissions"
     WHERE "recipient" = k.recipient AND "message_box" = k.name AND "sender" IS NULL LIMIT 1)
) AS p
UNION ALL
SELECT 4, k.place, m."id", m."bytes", m."messageBoxId", m."sender", m."created_at", m."expires_at"
FROM unnest(?, ?) WITH ORDINALITY AS k (recipient, message_id, place)
CROSS JOIN LATERAL (
    SELECT "id", octet_length("body")::bigint AS "bytes", "messageBoxId", "sender", "created_at", "expires_at" FROM "messages"
    WHERE "recipient" = k.recipient AND "messageId" = k.message_id LIMIT 1
) AS m
UNION ALL
SELECT 5, k.place, t."messages", t."bytes", NULL, NULL, NULL, NULL
FROM unnest(?, ?) WITH ORDINALITY AS k (identity, role, place)
CROSS JOIN LATERAL (
    SELECT "messages", "bytes" FROM "stored_totals" WHERE "identity_key" = k.identity AND "role" = k.role LIMIT 1
) AS t"#;

statement! {
    LookUp<'a> on Pg, PgConnection: (
        box_owners: Array<Text> = Vec<String>,
        box_names: Array<Text> = Vec<&'a str>,
        fees: Array<Text> = Vec<&'a str>,
        recipients: Array<Text> = Vec<String>,
        senders: Array<Text> = Vec<String>,
        names: Array<Text> = Vec<&'a str>,
        owners: Array<Text> = Vec<String>,
        message_ids: Array<Text> = Vec<&'a str>,
        identities: Array<Text> = Vec<String>,
        roles: Array<Text> = Vec<&'static str>
    ) -> FoundColumns = LOOK_UP
}

pub(super) fn look_up(
    connection: &mut PgConnection,
    lookup: &LookupKeys<'_>,
    now: &Now,
) -> QueryResult<LookupResults> {
    let boxes = &lookup.boxes;
    let permissions = &lookup.permissions;
    let messages = &lookup.messages;
    let totals = &lookup.totals;
    let statement = with_values!(LookUp {
        box_owners: boxes.iter().map(|(owner, _)| owner.to_hex()).collect(),
        box_names: boxes.iter().map(|(_, name)| *name).collect(),
        fees: lookup.fees.iter().copied().collect(),
        recipients: permissions.iter().map(|(it, ..)| it.to_hex()).collect(),
        senders: permissions.iter().map(|(_, it, _)| it.to_hex()).collect(),
        names: permissions.iter().map(|(.., name)| *name).collect(),
        owners: messages.iter().map(|(it, _)| it.to_hex()).collect(),
        message_ids: messages.iter().map(|(_, message_id)| *message_id).collect(),
        identities: totals.iter().map(|(it, _)| it.to_hex()).collect(),
        roles: totals.iter().map(|(_, role)| role.word()).collect(),
    });
    let rows: Vec<FoundRow> = statement.load(connection)?;
    Ok(LookupResults::of(lookup, rows, now))
}

statement! {
    Delete<'a> on Pg, PgConnection: (ids: Array<BigInt> = &'a [i64]) -> BigInt =
        r#"DELETE FROM "messages" WHERE "id" = ANY(?)"#
}

pub(super) fn delete(connection: &mut PgConnection, ids: &[i64]) -> QueryResult<()> {
    with_values!(Delete { ids }).execute(connection).map(drop)
}

statement! {
    CreateBoxes<'a> on Pg, PgConnection: (
        now: Moment = &'a Timestamp,
        owners: Array<Text> = Vec<String>,
        names: Array<Text> = Vec<&'a str>
    ) -> BigInt = r#"
INSERT INTO "messageBox" ("created_at", "updated_at", "type", "identityKey")
SELECT t.now, t.now, k.name, k.owner
FROM (SELECT ?::timestamptz AS now) AS t
CROSS JOIN unnest(?, ?) WITH ORDINALITY AS k (owner, name, place)
ORDER BY k.place
RETURNING "messageBoxId""#
}

/// Creates boxes and returns their ids.
pub(super) fn create_boxes(
    connection: &mut PgConnection,
    keys: &[BoxKey<'_>],
    now: &Now,
) -> QueryResult<Vec<i64>> {
    let owners = keys.iter().map(|(owner, _)| owner.to_hex()).collect();
    let names = keys.iter().map(|(_, name)| *name).collect();
    let create = with_values!(CreateBoxes {
        now: &now.text,
        owners,
        names,
    });
    create.load(connection)
}

/// Changes totals. Messages and totals are in no row of each other, so one statement may write both.
macro_rules! change_totals {
    () => {
        r#"INSERT INTO "stored_totals" AS t ("identity_key", "role", "messages", "bytes")
SELECT k.identity, k.role, k.messages, k.bytes
FROM unnest(?, ?, ?, ?) AS k (identity, role, messages, bytes)
ON CONFLICT ("identity_key", "role") DO UPDATE
SET "messages" = t."messages" + EXCLUDED."messages", "bytes" = t."bytes" + EXCLUDED."bytes""#
    };
}

statement! {
    Insert<'a> on Pg, PgConnection: (
        identities: Array<Text> = Vec<&'a str>,
        roles: Array<Text> = Vec<&'static str>,
        messages: Array<BigInt> = Vec<i64>,
        bytes: Array<BigInt> = Vec<i64>,
        now: Moment = &'a Timestamp,
        message_ids: Array<Text> = Vec<&'a str>,
        box_ids: Array<BigInt> = Vec<i64>,
        senders: Array<Text> = Vec<&'a str>,
        recipients: Array<Text> = Vec<&'a str>,
        bodies: Array<Text> = Vec<&'a str>,
        expiries: Array<Nullable<Moment>> = Vec<Option<&'a Timestamp>>
    ) -> BigInt = concat!("WITH changed AS (", change_totals!(), ")", r#"
INSERT INTO "messages"
    ("messageId", "created_at", "updated_at", "messageBoxId", "sender", "recipient", "body", "expires_at")
SELECT k.message_id, t.now, t.now, k.box_id, k.sender, k.recipient, k.body, k.expires_at
FROM (SELECT ?::timestamptz AS now) AS t
CROSS JOIN unnest(?, ?, ?, ?, ?, ?) WITH ORDINALITY
    AS k (message_id, box_id, sender, recipient, body, expires_at, place)
ORDER BY k.place
RETURNING "id""#)
}

/// Inserts rows, changes totals, and returns the ids of the rows.
pub(super) fn insert(
    connection: &mut PgConnection,
    rows: &[NewRow<'_>],
    changes: &[TotalChange],
    now: &Now,
) -> QueryResult<Vec<i64>> {
    let box_id = |row: &NewRow<'_>| row.box_id.ok_or(diesel::result::Error::NotFound);
    let insert = with_values!(Insert {
        identities: identities(changes),
        roles: roles(changes),
        messages: messages(changes),
        bytes: bytes(changes),
        now: &now.text,
        message_ids: rows.iter().map(|row| row.message_id).collect(),
        box_ids: rows.iter().map(box_id).collect::<QueryResult<_>>()?,
        senders: rows.iter().map(|row| &*row.sender).collect(),
        recipients: rows.iter().map(|row| &*row.recipient).collect(),
        bodies: rows.iter().map(|row| &*row.body).collect(),
        expiries: rows.iter().map(|row| row.expires_at.as_ref()).collect(),
    });
    insert.load(connection)
}

statement! {
    ChangeTotals<'a> on Pg, PgConnection: (
        identities: Array<Text> = Vec<&'a str>,
        roles: Array<Text> = Vec<&'static str>,
        messages: Array<BigInt> = Vec<i64>,
        bytes: Array<BigInt> = Vec<i64>
    ) -> BigInt = change_totals!()
}

pub(super) fn change_totals(
    connection: &mut PgConnection,
    changes: &[TotalChange],
) -> QueryResult<()> {
    with_values!(ChangeTotals {
        identities: identities(changes),
        roles: roles(changes),
        messages: messages(changes),
        bytes: bytes(changes),
    })
    .execute(connection)
    .map(drop)
}

fn identities(changes: &[TotalChange]) -> Vec<&str> {
    changes.iter().map(|(identity, ..)| &**identity).collect()
}

fn roles(changes: &[TotalChange]) -> Vec<&'static str> {
    changes.iter().map(|(_, role, _)| role.word()).collect()
}

fn messages(changes: &[TotalChange]) -> Vec<i64> {
    changes.iter().map(|(.., change)| change.messages).collect()
}

fn bytes(changes: &[TotalChange]) -> Vec<i64> {
    changes.iter().map(|(.., change)| change.bytes).collect()
}
