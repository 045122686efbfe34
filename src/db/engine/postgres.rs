//! PostgreSQL: connections and sessions.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::migration;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

use super::connect::url::ServerUrl;
use super::error::BoxError;

/// How long servers that start at the same time wait for each other's migrations.
const PATIENCE: Duration = Duration::from_secs(600);

/// Advisory lock for migrations: an arbitrary number that nothing else in the database uses.
const MIGRATORS: i64 = 0x6d65_7373_6d69_6772;

/// Advisory lock for recounting totals.
const RECOUNT: i64 = 0x6d65_7373_7265_636f;

/// Session settings that override those of the server, database and role.
///
/// A commit is on the disk before it is acknowledged, even if a database's setting allows otherwise. A statement sees
/// committed data. A dead machine holds no lock for long. `default_transaction_read_only` is kept: it marks a server
/// that must not be written to.
const SESSION: &str = "SET TIME ZONE 'UTC'; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; \
    SET bytea_output = 'hex'; SET standard_conforming_strings = on; SET array_nulls = on; \
    SET transform_null_equals = off; SET client_min_messages = warning; SET statement_timeout = 0; \
    SET idle_in_transaction_session_timeout = '60s'; \
    SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout'); \
    SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED, NOT DEFERRABLE; \
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

pub(crate) fn connect(url: &ServerUrl, busy_timeout: Duration) -> Result<PgConnection, BoxError> {
    // Called before the client library does it: this variant frees nothing at exit that another thread may still use.
    openssl::init();
    let mut connection = PgConnection::establish(&url.urls.concat())?;
    let lock_timeout = busy_timeout.as_millis();
    connection.batch_execute(&format!("{SESSION}; SET lock_timeout = {lock_timeout}"))?;
    Ok(connection)
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Bool)]
    answer: bool,
}

/// Whether this session can write, which a replica and a read-only server refuse.
pub(crate) fn can_write(connection: &mut PgConnection) -> QueryResult<bool> {
    let query = "SELECT current_setting('transaction_read_only') = 'off' AS answer";
    let answer: Answer = diesel::sql_query(query).get_result(connection)?;
    Ok(answer.answer)
}

/// The reason why this session cannot create tables, if there is one.
pub(crate) fn obstacle(connection: &mut PgConnection) -> QueryResult<Option<&'static str>> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = Bool)]
        has_schema: bool,
        #[diesel(sql_type = Bool)]
        is_replica: bool,
    }
    let query =
        "SELECT current_schema() IS NOT NULL AS has_schema, pg_is_in_recovery() AS is_replica";
    let found: Found = diesel::sql_query(query).get_result(connection)?;
    Ok(if found.is_replica {
        Some("it is a replica: set DATABASE_URL to the primary server")
    } else if !found.has_schema {
        Some(
            "search_path names no existing schema: correct it for this role or database (ALTER ROLE ... SET search_path)",
        )
    } else if !can_write(connection)? {
        Some("default_transaction_read_only is on for this role, database or server: set it to off")
    } else {
        None
    })
}

/// Lets this session idle for a day, even in a transaction.
pub(crate) fn be_patient(connection: &mut PgConnection) -> QueryResult<()> {
    connection.batch_execute("SET idle_in_transaction_session_timeout = '1d'")
}

/// Runs `work` while no other server of this database runs its own.
pub(crate) fn alone<T>(
    connection: &mut PgConnection,
    work: impl FnOnce(&mut PgConnection) -> migration::Result<T>,
) -> migration::Result<T> {
    let began = Instant::now();
    while !try_lock(connection, MIGRATORS)? {
        if began.elapsed() > PATIENCE {
            return Err("another server has been migrating for too long".into());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let done = work(connection);
    diesel::sql_query("SELECT pg_advisory_unlock($1)")
        .bind::<BigInt, _>(MIGRATORS)
        .execute(connection)?;
    done
}

pub(crate) fn lock_recount(connection: &mut PgConnection) -> QueryResult<bool> {
    try_lock(connection, RECOUNT)
}

fn try_lock(connection: &mut PgConnection, number: i64) -> QueryResult<bool> {
    let lock: Answer = diesel::sql_query("SELECT pg_try_advisory_lock($1) AS answer")
        .bind::<BigInt, _>(number)
        .get_result(connection)?;
    Ok(lock.answer)
}
