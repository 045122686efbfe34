//! Sessions that all processes share, and the nonces of requests that wrote something.

use std::collections::HashSet;

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel::upsert::excluded;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::Now;
use crate::db::engine::dialect::directly;
use crate::db::engine::error::DbError;
use crate::db::engine::schema::{auth_message_nonces as nonces, auth_sessions as sessions};
use crate::model::SessionRow;

use super::session_step::StoredSession;

use crate::db::store::command::{WriteCommand, WriteScope};

#[derive(Insertable)]
#[diesel(table_name = sessions)]
struct Row<'a> {
    session_nonce: &'a str,
    peer_nonce: &'a str,
    peer_identity_key: String,
    is_authenticated: bool,
    last_update: i64,
    expires_at: i64,
}

/// Stores sessions with one statement. SQLite takes one per session, because it has no round trips.
pub(crate) fn store(
    connection: &mut AnyConnection,
    stored: &[&StoredSession],
    now: &Now,
) -> QueryResult<()> {
    let rows: Vec<Row<'_>> = stored
        .iter()
        .map(|session| Row {
            session_nonce: &session.record.own_nonce,
            peer_nonce: &session.record.peer_nonce,
            peer_identity_key: session.record.peer.to_hex(),
            is_authenticated: session.authenticated,
            last_update: now.millis(),
            expires_at: now.millis().saturating_add(session.life_ms),
        })
        .collect();
    let changed = (
        sessions::is_authenticated.eq(excluded(sessions::is_authenticated)),
        sessions::last_update.eq(excluded(sessions::last_update)),
        sessions::expires_at.eq(excluded(sessions::expires_at)),
    );
    match connection {
        AnyConnection::Sqlite(connection) => {
            for row in &rows {
                diesel::insert_into(sessions::table)
                    .values(row)
                    .on_conflict(sessions::session_nonce)
                    .do_update()
                    .set(changed)
                    .execute(connection)?;
            }
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => {
            diesel::insert_into(sessions::table)
                .values(&rows)
                .on_conflict(sessions::session_nonce)
                .do_update()
                .set(changed)
                .execute(connection)?;
        }
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => {
            diesel::replace_into(sessions::table)
                .values(&rows)
                .execute(connection)?;
        }
    }
    Ok(())
}

/// Extends sessions after authenticated requests to `life_ms` from now. Returns those that had ended.
pub(crate) fn prolong(
    connection: &mut AnyConnection,
    own_nonces: &[&str],
    life_ms: i64,
    now: &Now,
) -> QueryResult<HashSet<String>> {
    let alive = sessions::table
        .filter(sessions::session_nonce.eq_any(own_nonces))
        .filter(sessions::expires_at.gt(now.millis()));
    let changed = (
        sessions::is_authenticated.eq(true),
        sessions::last_update.eq(now.millis()),
        sessions::expires_at.eq(now.millis().saturating_add(life_ms)),
    );
    let count = diesel::update(alive).set(changed).execute(connection)?;
    if count >= own_nonces.len() {
        return Ok(HashSet::new());
    }
    let alive = alive_of(connection, own_nonces, now)?;
    let ended = own_nonces.iter().filter(|nonce| !alive.contains(**nonce));
    Ok(ended.map(|nonce| (*nonce).to_owned()).collect())
}

/// The sessions among these that have not ended.
fn alive_of(
    connection: &mut AnyConnection,
    own_nonces: &[&str],
    now: &Now,
) -> QueryResult<HashSet<String>> {
    let alive = sessions::table
        .filter(sessions::expires_at.gt(now.millis()))
        .select(sessions::session_nonce);
    let alive: Vec<String> = match own_nonces {
        // A constant statement, which stays prepared.
        [single] => alive
            .filter(sessions::session_nonce.eq(single))
            .load(connection)?,
        _ => alive
            .filter(sessions::session_nonce.eq_any(own_nonces))
            .load(connection)?,
    };
    Ok(alive.into_iter().collect())
}

/// Ends sessions and deletes their request nonces: no request counts without its session.
pub(crate) fn end(connection: &mut AnyConnection, own_nonces: &[&str]) -> QueryResult<()> {
    let sessions = sessions::table.filter(sessions::session_nonce.eq_any(own_nonces));
    diesel::delete(sessions).execute(connection)?;
    let nonces = nonces::table.filter(nonces::session_nonce.eq_any(own_nonces));
    diesel::delete(nonces).execute(connection)?;
    Ok(())
}

/// The session with this nonce, unless it has ended.
pub(crate) fn find(
    connection: &mut AnyConnection,
    own_nonce: String,
    now: &Now,
) -> Result<Option<SessionRow>, DbError> {
    let found: Option<(String, String)> = directly!(connection, connection => {
        sessions::table
            .filter(sessions::session_nonce.eq(&own_nonce))
            .filter(sessions::expires_at.gt(now.millis()))
            .select((sessions::peer_nonce, sessions::peer_identity_key))
            .first(connection)
            .optional()
    })?;
    Ok(found.and_then(|(peer_nonce, peer)| {
        Some(SessionRow {
            own_nonce,
            peer_nonce,
            peer: peer.parse().ok()?,
        })
    }))
}

/// Command: delete up to `max` expired sessions with their request nonces. Returns the number of rows found.
pub(crate) struct SweepSessions {
    pub(crate) max: i64,
}

impl WriteCommand for SweepSessions {
    type Output = usize;

    fn run(&self, scope: &mut WriteScope<'_>) -> QueryResult<usize> {
        let now = scope.now.millis();
        let expired: Vec<String> = sessions::table
            .filter(sessions::expires_at.le(now))
            .order(sessions::expires_at.asc())
            .limit(self.max)
            .select(sessions::session_nonce)
            .load(scope.connection)?;
        // Nonces without a session: of sessions that another process ended during the claim, or of other servers.
        let has_session = sessions::table.filter(sessions::session_nonce.eq(nonces::session_nonce));
        let orphans: Vec<String> = nonces::table
            .filter(nonces::expires_at.le(now))
            .filter(not(exists(has_session)))
            .limit(self.max)
            .select(nonces::session_nonce)
            .load(scope.connection)?;
        let over: Vec<&str> = expired.iter().chain(&orphans).map(String::as_str).collect();
        if !over.is_empty() {
            end(scope.connection, &over)?;
        }
        Ok(over.len())
    }
}
