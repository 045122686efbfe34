//! MySQL and MariaDB: one JSON text carries the rows of a statement. Its columns name their character set. Otherwise
//! they would use the database's, which may not cover every text.

use diesel::mysql::{Mysql, MysqlConnection};
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{BigInt, Text};
use serde::Serialize;

use crate::db::engine::clock::Now;
use crate::db::engine::schema::{message_boxes, messages};
use crate::db::engine::statement::{statement, with_values};
use crate::db::store::messages::message_store::MessageRow;
use crate::db::store::totals::changes::TotalChange;

use super::lookup::{BoxKey, FoundColumns, FoundRow, LookupKeys, LookupResults, kind};
use super::new_row::NewRow;

/// The joins are straight, so each key takes one index lookup. The two servers name their collations differently.
const LOOK_UP: &str = "
SELECT CAST(0 AS SIGNED), CAST(k.place AS SIGNED), CAST(b.`messageBoxId` AS SIGNED), CAST(NULL AS SIGNED),
    CAST(NULL AS SIGNED), CAST(NULL AS CHAR), CAST(NULL AS DATETIME(3)), CAST(NULL AS DATETIME(3))
FROM JSON_TABLE(?, '$[*]' COLUMNS (
    place FOR ORDINALITY, owner VARCHAR(512) CHARACTER SET utf8mb4 PATH '$[0]', name VARCHAR(512) CHARACTER SET utf8mb4 PATH '$[1]'
)) AS k
STRAIGHT_JOIN `messageBox` AS b
    ON b.`type` = k.name COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */
    AND b.`identityKey` = k.owner COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */
UNION ALL
SELECT 1, CAST(k.place AS SIGNED), f.`delivery_fee`, NULL, NULL, NULL, NULL, NULL
FROM JSON_TABLE(?, '$[*]' COLUMNS (place FOR ORDINALITY, name VARCHAR(512) CHARACTER SET utf8mb4 PATH '$')) AS k
STRAIGHT_JOIN `server_fees` AS f
    ON f.`message_box` = k.name COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */
UNION ALL
SELECT k.kind, k.place, p.`recipient_fee`, NULL, NULL, NULL, NULL, NULL
FROM JSON_TABLE(?, '$[*]' COLUMNS (
    kind BIGINT PATH '$[0]', place BIGINT PATH '$[1]', recipient VARCHAR(512) CHARACTER SET utf8mb4 PATH '$[2]',
    name VARCHAR(512) CHARACTER SET utf8mb4 PATH '$[3]', sender VARCHAR(512) CHARACTER SET utf8mb4 PATH '$[4]'
)) AS k
STRAIGHT_JOIN `message_permissions` AS p
    ON p.`recipient` = k.recipient COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */
    AND p.`message_box` = k.name COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */
    AND p.`sender_or_all` = k.sender COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */
UNION ALL
SELECT 4, CAST(k.place AS SIGNED), m.`id`, OCTET_LENGTH(m.`body`), CAST(m.`messageBoxId` AS SIGNED), m.`sender`, m.`created_at`, m.`expires_at`
FROM JSON_TABLE(?, '$[*]' COLUMNS (
    place FOR ORDINALITY, recipient VARCHAR(512) CHARACTER SET utf8mb4 PATH '$[0]',
    message_id VARCHAR(512) CHARACTER SET utf8mb4 PATH '$[1]'
)) AS k
STRAIGHT_JOIN `messages` AS m
    ON m.`recipient` = k.recipient COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */
    AND m.`messageId` = k.message_id COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */
UNION ALL
SELECT 5, CAST(k.place AS SIGNED), t.`messages`, t.`bytes`, NULL, NULL, NULL, NULL
FROM JSON_TABLE(?, '$[*]' COLUMNS (
    place FOR ORDINALITY, identity VARCHAR(512) CHARACTER SET utf8mb4 PATH '$[0]',
    role VARCHAR(8) CHARACTER SET utf8mb4 PATH '$[1]'
)) AS k
STRAIGHT_JOIN `stored_totals` AS t
    ON t.`identity_key` = k.identity COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */
    AND t.`role` = CONVERT(k.role USING ascii)";

statement! {
    LookUp<'a> on Mysql, MysqlConnection: (
        boxes: Text = String,
        fees: Text = String,
        permissions: Text = String,
        messages: Text = String,
        totals: Text = String
    ) -> FoundColumns = LOOK_UP
}

pub(super) fn look_up(
    connection: &mut MysqlConnection,
    lookup: &LookupKeys<'_>,
    now: &Now,
) -> QueryResult<LookupResults> {
    let boxes = lookup.boxes.iter();
    let boxes: Vec<_> = boxes.map(|(owner, name)| (owner.to_hex(), name)).collect();
    let messages = lookup.messages.iter();
    let messages: Vec<_> = messages.map(|(owner, id)| (owner.to_hex(), id)).collect();
    let totals = lookup.totals.iter();
    let totals: Vec<_> = totals
        .map(|(it, role)| (it.to_hex(), role.word()))
        .collect();
    let mut permissions = Vec::new();
    for (index, (recipient, sender, name)) in lookup.permissions.iter().enumerate() {
        let (recipient, place) = (recipient.to_hex(), index + 1);
        let of_sender = (
            kind::PERMISSION_OF_SENDER,
            place,
            recipient.clone(),
            name,
            sender.to_hex(),
        );
        let of_all = (
            kind::PERMISSION_OF_ALL,
            place,
            recipient,
            name,
            String::new(),
        );
        permissions.extend([of_sender, of_all]);
    }
    let statement = with_values!(LookUp {
        boxes: json(&boxes)?,
        fees: json(&lookup.fees)?,
        permissions: json(&permissions)?,
        messages: json(&messages)?,
        totals: json(&totals)?,
    });
    let rows: Vec<FoundRow> = statement.load(connection)?;
    Ok(LookupResults::of(lookup, rows, now))
}

fn json(value: &impl Serialize) -> QueryResult<String> {
    serde_json::to_string(value).map_err(|error| Error::SerializationError(error.into()))
}

statement! {
    Delete<'a> on Mysql, MysqlConnection: (ids: Text = String) -> BigInt = "
DELETE m
FROM JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT PATH '$')) AS k
STRAIGHT_JOIN `messages` AS m ON m.`id` = k.id"
}

pub(super) fn delete(connection: &mut MysqlConnection, ids: &[i64]) -> QueryResult<()> {
    with_values!(Delete { ids: json(&ids)? })
        .execute(connection)
        .map(drop)
}

statement! {
    CreateBoxes<'a> on Mysql, MysqlConnection: (boxes: Text = String) -> BigInt = "
INSERT INTO `messageBox` (`created_at`, `updated_at`, `type`, `identityKey`)
SELECT CAST(k.now AS DATETIME(3)), CAST(k.now AS DATETIME(3)), k.name, k.owner
FROM JSON_TABLE(?, '$[*]' COLUMNS (
    place FOR ORDINALITY, now VARCHAR(64) CHARACTER SET utf8mb4 PATH '$[0]', owner VARCHAR(512) CHARACTER SET utf8mb4 PATH '$[1]',
    name VARCHAR(512) CHARACTER SET utf8mb4 PATH '$[2]'
)) AS k
ORDER BY k.place"
}

/// Creates boxes without reading their ids, which saves a statement.
pub(super) fn create_boxes(
    connection: &mut MysqlConnection,
    keys: &[BoxKey<'_>],
    now: &Now,
) -> QueryResult<Vec<i64>> {
    let now = in_statement(&now.text);
    let boxes: Vec<_> = keys
        .iter()
        .map(|(owner, name)| (&now, owner.to_hex(), name))
        .collect();
    with_values!(CreateBoxes {
        boxes: json(&boxes)?
    })
    .execute(connection)?;
    Ok(Vec::new())
}

// The statement joins boxes because MariaDB caches subquery results by `k`, and compares those keys without regard to
// case.
statement! {
    Insert<'a> on Mysql, MysqlConnection: (rows: Text = String) -> BigInt = "
INSERT INTO `messages`
    (`messageId`, `created_at`, `updated_at`, `messageBoxId`, `sender`, `recipient`, `body`, `expires_at`)
SELECT k.message_id, CAST(k.now AS DATETIME(3)), CAST(k.now AS DATETIME(3)),
    COALESCE(k.box_id, b.`messageBoxId`), k.sender, k.recipient, k.body, CAST(k.expires_at AS DATETIME(3))
FROM JSON_TABLE(?, '$[*]' COLUMNS (
    place FOR ORDINALITY, now VARCHAR(64) CHARACTER SET utf8mb4 PATH '$[0]', message_id VARCHAR(512) CHARACTER SET utf8mb4 PATH '$[1]',
    sender VARCHAR(512) CHARACTER SET utf8mb4 PATH '$[2]',
    recipient VARCHAR(512) CHARACTER SET utf8mb4 PATH '$[3]', box_id BIGINT PATH '$[4]',
    box_name VARCHAR(512) CHARACTER SET utf8mb4 PATH '$[5]',
    expires_at VARCHAR(64) CHARACTER SET utf8mb4 PATH '$[6]', body_bytes BIGINT PATH '$[7]', body LONGTEXT CHARACTER SET utf8mb4 PATH '$[8]'
)) AS k
LEFT JOIN `messageBox` AS b
    ON b.`type` = k.box_name COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */
    AND b.`identityKey` = k.recipient COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */
WHERE OCTET_LENGTH(k.body) = k.body_bytes
ORDER BY k.place"
}

/// Maximum bytes of a body inside JSON, which may double its size.
const MAX_JSON_BYTES: usize = 256 * 1024;

pub(super) fn insert(
    connection: &mut MysqlConnection,
    rows: &[NewRow<'_>],
    now: &Now,
) -> QueryResult<()> {
    if let [row] = rows
        && row.body.len() > MAX_JSON_BYTES
    {
        return insert_large(connection, row, now);
    }
    let time = in_statement(&now.text);
    let values: Vec<_> = rows
        .iter()
        .map(|row| {
            let name = row.box_id.is_none().then_some(row.box_key.1);
            let expires_at = row.expires_at.as_deref().map(in_statement);
            let key = (&time, row.message_id, &row.sender, &row.recipient);
            (
                key.0,
                key.1,
                key.2,
                key.3,
                row.box_id,
                name,
                expires_at,
                row.body.len(),
                &row.body,
            )
        })
        .collect();
    let inserted = with_values!(Insert {
        rows: json(&values)?
    })
    .execute(connection)?;
    if inserted == rows.len() {
        return Ok(());
    }
    // `JSON_TABLE` silently replaces text that it cannot represent.
    Err(Error::SerializationError(
        "JSON_TABLE changed a body".into(),
    ))
}

statement! {
    ChangeTotals<'a> on Mysql, MysqlConnection: (changes: Text = String) -> BigInt = "
INSERT INTO `stored_totals` (`identity_key`, `role`, `messages`, `bytes`)
SELECT k.identity, k.role, k.messages, k.bytes
FROM JSON_TABLE(?, '$[*]' COLUMNS (
    identity VARCHAR(512) CHARACTER SET utf8mb4 PATH '$[0]', role VARCHAR(8) CHARACTER SET utf8mb4 PATH '$[1]',
    messages BIGINT PATH '$[2]', bytes BIGINT PATH '$[3]'
)) AS k
ON DUPLICATE KEY UPDATE
    `messages` = `stored_totals`.`messages` + VALUES(`messages`), `bytes` = `stored_totals`.`bytes` + VALUES(`bytes`)"
}

pub(super) fn change_totals(
    connection: &mut MysqlConnection,
    changes: &[TotalChange],
) -> QueryResult<()> {
    let changes = changes.iter();
    let changes: Vec<_> = changes
        .map(|(identity, role, change)| (identity, role.word(), change.messages, change.bytes))
        .collect();
    let changes = json(&changes)?;
    with_values!(ChangeTotals { changes })
        .execute(connection)
        .map(drop)
}

/// Converts a time to the server's format.
fn in_statement(iso: &str) -> String {
    iso.replace('T', " ").replace('Z', "")
}

fn insert_large(connection: &mut MysqlConnection, row: &NewRow<'_>, now: &Now) -> QueryResult<()> {
    let box_id = match row.box_id {
        Some(id) => id,
        None => message_boxes::table
            .filter(message_boxes::identity_key.eq(&row.recipient))
            .filter(message_boxes::kind.eq(row.box_key.1))
            .select(message_boxes::message_box_id)
            .get_result(connection)?,
    };
    let row = MessageRow {
        message_id: row.message_id,
        created_at: &now.text,
        updated_at: &now.text,
        message_box_id: box_id,
        sender: &row.sender,
        recipient: &row.recipient,
        body: &row.body,
        expires_at: row.expires_at.as_ref(),
    };
    let insert = diesel::insert_into(messages::table).values(&row);
    insert.execute(connection).map(drop)
}
