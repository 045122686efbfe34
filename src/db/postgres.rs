//! PostgreSQL: how its connections are set.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::migration;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

use super::url::ServerUrl;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// How long servers that start at the same time wait for each other's migrations.
const PATIENCE: Duration = Duration::from_secs(600);

/// The lock of whoever migrates: any number that nothing else in the database uses.
const MIGRATORS: i64 = 0x6d65_7373_6d69_6772;

/// Connects and sets the session.
pub(super) fn connect(url: &ServerUrl, busy_timeout: Duration) -> Result<PgConnection, Failed> {
    // Before the library does it: ours takes nothing down at exit that another thread may still use.
    openssl::init();
    let mut connection = PgConnection::establish(url.url.as_str())?;
    // A commit is on the disk before it is acknowledged, even where a database's setting says it need not. A statement
    // sees what is committed. A machine that is gone holds no lock for long.
    connection.batch_execute(&format!(
        "SET TIME ZONE 'UTC'; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = '60s'; \
         SET client_min_messages = warning; \
         SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED; \
         SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
        busy_timeout.as_millis()
    ))?;
    Ok(connection)
}

/// Lets this session be silent for a day, in a transaction too.
pub(super) fn be_patient(connection: &mut PgConnection) -> QueryResult<()> {
    connection.batch_execute("SET idle_in_transaction_session_timeout = '1d'")
}

#[derive(QueryableByName)]
struct Locked {
    #[diesel(sql_type = Bool)]
    locked: bool,
}

/// Runs `work` while no other server of this database runs such.
pub(super) fn alone<T>(
    connection: &mut PgConnection,
    work: impl FnOnce(&mut PgConnection) -> migration::Result<T>,
) -> migration::Result<T> {
    let began = Instant::now();
    while !try_lock(connection)? {
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

fn try_lock(connection: &mut PgConnection) -> QueryResult<bool> {
    let lock: Locked = diesel::sql_query("SELECT pg_try_advisory_lock($1) AS locked")
        .bind::<BigInt, _>(MIGRATORS)
        .get_result(connection)?;
    Ok(lock.locked)
}
