//! Claims the requests of a group. One statement is enough if all claims succeed.

use std::collections::HashMap;

#[cfg(feature = "mysql")]
use diesel::mysql::{Mysql, MysqlConnection};
#[cfg(feature = "postgres")]
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
#[cfg(feature = "mysql")]
use diesel::result::{DatabaseErrorKind, Error};
#[cfg(feature = "postgres")]
use diesel::sql_types::{Array, Bool};
#[cfg(any(feature = "mysql", feature = "postgres"))]
use diesel::sql_types::{BigInt, Text};
use indexmap::IndexSet;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::Now;
use crate::db::engine::dialect::insert_unless_there;
#[cfg(feature = "mysql")]
use crate::db::engine::mysql;
use crate::db::engine::schema::{auth_message_nonces as nonces, auth_sessions as sessions};
#[cfg(any(feature = "mysql", feature = "postgres"))]
use crate::db::engine::statement::{statement, with_values};
use crate::db::engine::transaction::Begin;
#[cfg(feature = "mysql")]
use crate::db::engine::transaction::WriteLock;
use crate::model::{ClaimRefusal, RequestClaim};

/// A request: the session's nonce and its own.
type Request<'a> = (&'a str, &'a str);

/// Claims requests, and returns the reason of each refusal.
///
/// No other claims run concurrently: the transaction holds the writer's lock, or these statements take it (`begin`).
pub(crate) fn claim(
    connection: &mut AnyConnection,
    claims: &[&RequestClaim],
    life_ms: i64,
    now: &Now,
    begin: Begin,
) -> QueryResult<Vec<Option<ClaimRefusal>>> {
    let mut distinct = IndexSet::new();
    let requests = claims
        .iter()
        .map(|claim| (claim.session_nonce(), claim.message_nonce()));
    let places: Vec<_> = requests.map(|it| distinct.insert_full(it)).collect();
    let distinct = &*distinct.into_iter().collect::<Vec<_>>();
    let until = now.millis().saturating_add(life_ms);
    #[cfg(not(feature = "mysql"))]
    let _ = begin;
    let refusals = match connection {
        AnyConnection::Sqlite(_) => claim_each(connection, distinct, until, now)?,
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => {
            let begins = begin.lock == WriteLock::TakenByClaims && begin.at_once;
            claim_on_mysql(connection, distinct, until, now, begins)?
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => claim_on_postgres(connection, distinct, until, now)?,
    };
    let outcomes = places.into_iter().map(|(place, is_new)| {
        let refusal = refusals.get(place).copied().flatten();
        refusal.or((!is_new).then_some(ClaimRefusal::Repeated))
    });
    Ok(outcomes.collect())
}

#[cfg(any(feature = "mysql", feature = "postgres"))]
const fn refusal(is_alive: bool, is_known: bool) -> Option<ClaimRefusal> {
    match (is_alive, is_known) {
        (false, _) => Some(ClaimRefusal::SessionEnded),
        (true, true) => Some(ClaimRefusal::Repeated),
        (true, false) => None,
    }
}

/// For SQLite, where one statement per request is fastest.
fn claim_each(
    connection: &mut AnyConnection,
    requests: &[Request<'_>],
    until: i64,
    now: &Now,
) -> QueryResult<Vec<Option<ClaimRefusal>>> {
    let mut alive = HashMap::new();
    let mut refusals = Vec::with_capacity(requests.len());
    for (session, message) in requests {
        let is_alive = if let Some(is_alive) = alive.get(session) {
            *is_alive
        } else {
            let found: Option<String> = sessions::table
                .filter(sessions::session_nonce.eq(session))
                .filter(sessions::expires_at.gt(now.millis()))
                .select(sessions::session_nonce)
                .get_result(connection)
                .optional()?;
            alive.insert(*session, found.is_some());
            found.is_some()
        };
        refusals.push(if is_alive {
            let row = (
                nonces::session_nonce.eq(session),
                nonces::message_nonce.eq(message),
                nonces::expires_at.eq(until),
            );
            let unique = (nonces::session_nonce, nonces::message_nonce);
            let is_new = insert_unless_there!(connection, nonces::table, row, unique)?;
            (!is_new).then_some(ClaimRefusal::Repeated)
        } else {
            Some(ClaimRefusal::SessionEnded)
        });
    }
    Ok(refusals)
}

#[cfg(feature = "postgres")]
statement! {
    PostgresClaims<'a> on Pg, PgConnection: (
        now: BigInt = i64,
        sessions: Array<Text> = Vec<&'a str>,
        messages: Array<Text> = Vec<&'a str>,
        until: BigInt = i64
    ) -> (BigInt, Bool, Bool) = r#"
WITH asked AS MATERIALIZED (
    SELECT k.session, k.message, k.place,
        EXISTS (SELECT 1 FROM "auth_sessions" WHERE "sessionNonce" = k.session AND "expiresAt" > ?) AS is_alive,
        EXISTS (
            SELECT 1 FROM "auth_message_nonces" WHERE "sessionNonce" = k.session AND "messageNonce" = k.message
        ) AS is_known
    FROM unnest(?, ?) WITH ORDINALITY AS k (session, message, place)
), claimed AS (
    INSERT INTO "auth_message_nonces" ("sessionNonce", "messageNonce", "expiresAt")
    SELECT session, message, ? FROM asked WHERE is_alive AND NOT is_known
)
SELECT place, is_alive, is_known FROM asked ORDER BY place"#
}

#[cfg(feature = "postgres")]
fn claim_on_postgres(
    connection: &mut PgConnection,
    requests: &[Request<'_>],
    until: i64,
    now: &Now,
) -> QueryResult<Vec<Option<ClaimRefusal>>> {
    let (sessions, messages) = requests.iter().copied().unzip();
    let claims = with_values!(PostgresClaims {
        now: now.millis(),
        sessions,
        messages,
        until,
    });
    let rows: Vec<(i64, bool, bool)> = claims.load(connection)?;
    let refusals = rows
        .into_iter()
        .map(|(_, alive, known)| refusal(alive, known));
    Ok(refusals.collect())
}

// The keys have no collation, so that of the columns applies, whichever server created them. The statement joins tables
// because MariaDB caches subquery results by `k`, and compares those keys without regard to case.
#[cfg(feature = "mysql")]
statement! {
    MysqlRequests<'a> on Mysql, MysqlConnection: (requests: Text = String, now: BigInt = i64)
    -> (BigInt, BigInt, BigInt) = "
SELECT CAST(k.place AS SIGNED), CAST(s.`sessionNonce` IS NOT NULL AS SIGNED), CAST(n.`sessionNonce` IS NOT NULL AS SIGNED)
FROM JSON_TABLE(?, '$[*]' COLUMNS (
    place FOR ORDINALITY, session VARCHAR(512) CHARACTER SET utf8mb4 PATH '$[0]',
    message VARCHAR(512) CHARACTER SET utf8mb4 PATH '$[1]'
)) AS k
LEFT JOIN `auth_sessions` AS s
    ON s.`sessionNonce` = CONVERT(k.session USING ascii) AND s.`expiresAt` > ?
LEFT JOIN `auth_message_nonces` AS n
    ON n.`sessionNonce` = CONVERT(k.session USING ascii)
    AND n.`messageNonce` = CONVERT(k.message USING ascii)
ORDER BY k.place"
}

// The server reads the first table first and locks its row until the transaction ends: this is the writer's lock. It is
// held if a row was inserted. If none was, the server may have skipped that table.
#[cfg(feature = "mysql")]
macro_rules! insert {
    () => {
        "
INSERT INTO `auth_message_nonces` (`sessionNonce`, `messageNonce`, `expiresAt`)
SELECT k.session, k.message, k.until
FROM (SELECT `id` FROM `messagebox_writer` FOR UPDATE) AS w
STRAIGHT_JOIN JSON_TABLE(?, '$[*]' COLUMNS (
    session VARCHAR(512) CHARACTER SET utf8mb4 PATH '$[0]',
    message VARCHAR(512) CHARACTER SET utf8mb4 PATH '$[1]', until BIGINT PATH '$[2]'
)) AS k
STRAIGHT_JOIN `auth_sessions` AS s
    ON s.`sessionNonce` = CONVERT(k.session USING ascii) AND s.`expiresAt` > ?"
    };
}

#[cfg(feature = "mysql")]
statement! {
    MysqlClaims<'a> on Mysql, MysqlConnection: (requests: Text = String, now: BigInt = i64) -> BigInt = insert!()
}

// For MariaDB, which accepts such a block as a statement.
#[cfg(feature = "mysql")]
statement! {
    BeginWithClaims<'a> on Mysql, MysqlConnection: (requests: Text = String, now: BigInt = i64) -> BigInt =
        concat!("\nBEGIN NOT ATOMIC\nSET autocommit = 0;", insert!(), ";\nEND")
}

#[cfg(feature = "mysql")]
fn claim_on_mysql(
    connection: &mut MysqlConnection,
    requests: &[Request<'_>],
    until: i64,
    now: &Now,
    begins: bool,
) -> QueryResult<Vec<Option<ClaimRefusal>>> {
    match insert_on_mysql(connection, requests, until, now, begins) {
        Ok(claimed) if claimed == requests.len() => Ok(vec![None; requests.len()]),
        Ok(_) => {
            // No nonce was known before the insert, so each known nonce is claimed.
            mysql::lock_writer(connection)?;
            let found = found_on_mysql(connection, requests, now)?;
            let ended =
                |(_, is_known): (bool, bool)| (!is_known).then_some(ClaimRefusal::SessionEnded);
            Ok(found.into_iter().map(ended).collect())
        }
        // One nonce was known. The server has undone the statement and released the lock.
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => {
            mysql::lock_writer(connection)?;
            let found = found_on_mysql(connection, requests, now)?.into_iter();
            let refusals: Vec<_> = found.map(|(alive, known)| refusal(alive, known)).collect();
            let pairs = requests.iter().zip(&refusals);
            let new = pairs.filter(|(_, refusal)| refusal.is_none());
            let new: Vec<Request<'_>> = new.map(|(request, _)| *request).collect();
            insert_on_mysql(connection, &new, until, now, false)?;
            Ok(refusals)
        }
        Err(error) => Err(error),
    }
}

/// Claims the requests of live sessions and returns their number. A statement that `begins` the transaction needs at
/// least one request.
#[cfg(feature = "mysql")]
fn insert_on_mysql(
    connection: &mut MysqlConnection,
    requests: &[Request<'_>],
    until: i64,
    now: &Now,
    begins: bool,
) -> QueryResult<usize> {
    if requests.is_empty() {
        return Ok(0);
    }
    let rows = requests.iter();
    let rows: Vec<_> = rows.map(|(session, it)| (session, it, until)).collect();
    let requests = serde_json::to_string(&rows).map_err(json)?;
    let now = now.millis();
    if begins {
        with_values!(BeginWithClaims { requests, now }).execute(connection)
    } else {
        with_values!(MysqlClaims { requests, now }).execute(connection)
    }
}

/// For each request: whether its session is alive, and whether its nonce is known.
#[cfg(feature = "mysql")]
fn found_on_mysql(
    connection: &mut MysqlConnection,
    requests: &[Request<'_>],
    now: &Now,
) -> QueryResult<Vec<(bool, bool)>> {
    let requests = serde_json::to_string(requests).map_err(json)?;
    let now = now.millis();
    let rows: Vec<(i64, i64, i64)> =
        with_values!(MysqlRequests { requests, now }).load(connection)?;
    let found = rows.into_iter();
    Ok(found
        .map(|(_, alive, known)| (alive != 0, known != 0))
        .collect())
}

#[cfg(feature = "mysql")]
fn json(error: serde_json::Error) -> Error {
    Error::SerializationError(error.into())
}
