//! Recounts what identities have stored, and returns the corrections of `stored_totals`.
//!
//! Servers of earlier releases and other programs write messages without updating totals. One snapshot covers messages
//! and totals, so a correction stays right whatever is written meanwhile.

use std::collections::HashMap;

use diesel::connection::DefaultLoadingMode;
#[cfg(feature = "postgres")]
use diesel::connection::SimpleConnection as _;
#[cfg(feature = "mysql")]
use diesel::mysql::{Mysql, MysqlConnection};
#[cfg(feature = "postgres")]
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::dialect::octet_length;
use crate::db::engine::schema::{messages, stored_totals};
#[cfg(any(feature = "mysql", feature = "postgres"))]
use crate::db::engine::statement::{statement, with_values};
use crate::db::engine::transaction::snapshot;
use crate::model::{Quotas, Role, StoredTotal};

use super::changes::TotalChange;

/// Maximum corrections per count. The next count finds the rest.
pub(crate) const MAX_CORRECTIONS: usize = 100_000;

#[cfg(any(feature = "mysql", feature = "postgres"))]
const MAX: i64 = 100_000;

// Database servers count themselves. Each row has an identity, a role, and the correction of its total.
#[cfg(any(feature = "mysql", feature = "postgres"))]
macro_rules! count {
    ($integer:literal) => {
        concat!(
            "
SELECT c.identity, c.role, CAST(SUM(c.messages) AS ",
            $integer,
            "), CAST(SUM(c.bytes) AS ",
            $integer,
            ")
FROM (
    SELECT recipient AS identity, 'inbox' AS role, COUNT(*) AS messages, SUM(octet_length(body)) AS bytes
    FROM messages GROUP BY recipient
    UNION ALL
    SELECT sender, 'sender', COUNT(*), SUM(octet_length(body)) FROM messages GROUP BY sender
    UNION ALL
    SELECT identity_key, role, -messages, -bytes FROM stored_totals
) AS c
GROUP BY c.identity, c.role
HAVING SUM(c.messages) <> 0 OR SUM(c.bytes) <> 0
LIMIT ?"
        )
    };
}

#[cfg(feature = "mysql")]
statement! {
    CountOnMysql<'a> on Mysql, MysqlConnection: (max: BigInt = i64)
        -> (Text, Text, BigInt, BigInt) = count!("SIGNED")
}

#[cfg(feature = "postgres")]
statement! {
    CountOnPostgres<'a> on Pg, PgConnection: (max: BigInt = i64)
        -> (Text, Text, BigInt, BigInt) = count!("bigint")
}

/// The role with this name; none for roles of later releases.
fn role(word: &str) -> Option<Role> {
    Role::ALL.into_iter().find(|role| role.word() == word)
}

/// The corrections of wrong totals, up to [`MAX_CORRECTIONS`].
pub(crate) fn corrections(connection: &mut AnyConnection) -> QueryResult<Vec<TotalChange>> {
    match connection {
        // SQLite's own grouping would sort all rows on the disk.
        AnyConnection::Sqlite(_) => snapshot(connection, corrections_of_file),
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => {
            let rows = with_values!(CountOnMysql { max: MAX }).load(connection);
            rows.map(changes)
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => {
            // The count uses one core of the database server, since clients read and write meanwhile.
            connection.batch_execute("SET max_parallel_workers_per_gather = 0")?;
            let rows = with_values!(CountOnPostgres { max: MAX }).load(connection);
            rows.map(changes)
        }
    }
}

#[cfg(any(feature = "mysql", feature = "postgres"))]
fn changes(rows: Vec<(String, String, i64, i64)>) -> Vec<TotalChange> {
    let change = |(identity, word, messages, bytes): (String, String, i64, i64)| {
        let role = role(&word)?;
        Some((identity, role, StoredTotal { messages, bytes }))
    };
    rows.into_iter().filter_map(change).collect()
}

/// Streams the rows and keeps one count per identity in memory.
fn corrections_of_file(connection: &mut AnyConnection) -> QueryResult<Vec<TotalChange>> {
    let mut counts = HashMap::<String, [StoredTotal; 2]>::new();
    let mut add = |identity: String, role: Role, total: StoredTotal| {
        let [inbox, sender] = counts.entry(identity).or_default();
        let count = match role {
            Role::Inbox => inbox,
            Role::Sender => sender,
        };
        *count = count.plus(total);
    };
    let Some(connection) = connection.as_sqlite() else {
        return Ok(Vec::new());
    };
    let stored = messages::table.select((
        messages::recipient,
        messages::sender,
        octet_length(messages::body),
    ));
    for row in stored.load_iter::<(String, String, i32), DefaultLoadingMode>(connection)? {
        let (recipient, sender, bytes) = row?;
        let one = StoredTotal {
            messages: 1,
            bytes: bytes.into(),
        };
        add(recipient, Role::Inbox, one);
        add(sender, Role::Sender, one);
    }
    for row in stored_totals::table
        .load_iter::<(String, String, i64, i64), DefaultLoadingMode>(connection)?
    {
        let (identity, word, messages, bytes) = row?;
        if let Some(role) = role(&word) {
            add(identity, role, StoredTotal { messages, bytes }.negated());
        }
    }
    let changes = counts.into_iter().flat_map(|(identity, [inbox, sender])| {
        [
            (identity.clone(), Role::Inbox, inbox),
            (identity, Role::Sender, sender),
        ]
    });
    let changes = changes.filter(|(_, _, change)| *change != StoredTotal::default());
    Ok(changes.take(MAX_CORRECTIONS).collect())
}

/// Whether any total is stored.
pub(crate) fn has_totals(connection: &mut AnyConnection) -> QueryResult<bool> {
    let first: Option<String> = stored_totals::table
        .select(stored_totals::identity_key)
        .first(connection)
        .optional()?;
    Ok(first.is_some())
}

/// Identities with all-zero totals, up to `max`.
pub(crate) fn empty(connection: &mut AnyConnection, max: i64) -> QueryResult<Vec<String>> {
    stored_totals::table
        .filter(stored_totals::messages.eq(0))
        .filter(stored_totals::bytes.eq(0))
        .select(stored_totals::identity_key)
        .limit(max)
        .load(connection)
}

/// Sums over all identities in one role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TotalsOfRole {
    /// Identities with at least one message.
    pub identities: i64,
    pub messages: i64,
    pub bytes: i64,
    /// The largest number of messages of one identity.
    pub most_messages: i64,
    /// The largest size of one identity, in bytes.
    pub most_bytes: i64,
    /// Identities over their quota.
    #[serde(rename = "overQuota")]
    pub over: i64,
}

#[derive(QueryableByName)]
struct Sums {
    #[diesel(sql_type = BigInt)]
    identities: i64,
    #[diesel(sql_type = BigInt)]
    messages: i64,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

/// The sums of a role. Each engine has its own type for a sum of large numbers, so the statements cast it.
fn sums(connection: &mut AnyConnection, role: Role) -> QueryResult<Sums> {
    match connection {
        AnyConnection::Sqlite(connection) => diesel::sql_query(
            "SELECT COUNT(*) AS identities, COALESCE(SUM(messages), 0) AS messages, COALESCE(SUM(bytes), 0) AS bytes \
             FROM stored_totals WHERE role = ? AND messages > 0",
        )
        .bind::<Text, _>(role.word())
        .get_result(connection),
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => diesel::sql_query(
            "SELECT COUNT(*) AS `identities`, CAST(COALESCE(SUM(`messages`), 0) AS SIGNED) AS `messages`, \
             CAST(COALESCE(SUM(`bytes`), 0) AS SIGNED) AS `bytes` FROM `stored_totals` WHERE `role` = ? AND `messages` > 0",
        )
        .bind::<Text, _>(role.word())
        .get_result(connection),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => diesel::sql_query(
            "SELECT COUNT(*) AS identities, COALESCE(SUM(messages), 0)::bigint AS messages, \
             COALESCE(SUM(bytes), 0)::bigint AS bytes FROM stored_totals WHERE role = $1 AND messages > 0",
        )
        .bind::<Text, _>(role.word())
        .get_result(connection),
    }
}

/// The sums and maximums of a role, and the number of identities over their quota.
pub(crate) fn summary(
    connection: &mut AnyConnection,
    quotas: &Quotas,
    role: Role,
) -> QueryResult<TotalsOfRole> {
    use diesel::dsl::max;
    let quota = quotas.of(role);
    let limit = |limit: Option<u64>| {
        limit
            .and_then(|limit| i64::try_from(limit).ok())
            .unwrap_or(i64::MAX)
    };
    let of_role = stored_totals::table.filter(stored_totals::role.eq(role.word()));
    let (messages, bytes): (Option<i64>, Option<i64>) = of_role
        .select((max(stored_totals::messages), max(stored_totals::bytes)))
        .get_result(connection)?;
    let is_over = stored_totals::messages
        .gt(limit(quota.messages))
        .or(stored_totals::bytes.gt(limit(quota.bytes)));
    let sums = sums(connection, role)?;
    Ok(TotalsOfRole {
        identities: sums.identities,
        messages: sums.messages,
        bytes: sums.bytes.max(0),
        most_messages: messages.unwrap_or_default().max(0),
        most_bytes: bytes.unwrap_or_default().max(0),
        over: of_role.filter(is_over).count().get_result(connection)?,
    })
}
