//! MySQL and MariaDB: how their connections are set.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::migration;
use diesel::mysql::{Mysql, MysqlConnection};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::dialect::WriteLock;
use super::statement::{statement, with_values};
use super::url::ServerUrl;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// How long servers that start at the same time wait for each other's migrations.
const PATIENCE: Duration = Duration::from_secs(600);

/// Connects and sets the session.
pub(super) fn connect(url: &ServerUrl, busy_timeout: Duration) -> Result<MysqlConnection, Failed> {
    // Before the library does it: ours takes nothing down at exit that another thread may still use.
    openssl::init();
    let mut connection = MysqlConnection::establish(url.url.as_str())?;
    if url.encrypted && !is_encrypted(&mut connection)? {
        return Err("the server does not encrypt the connection".into());
    }
    // Times are UTC. What does not fit is refused, not cut. A statement sees what is committed, and locks no gaps. A
    // session that is silent for two minutes is ended, so that a machine that is gone holds no lock.
    connection.batch_execute(&format!(
        "SET time_zone = '+00:00', SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES'), \
         SESSION innodb_lock_wait_timeout = {}, SESSION wait_timeout = 120; \
         SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        busy_timeout.as_secs().max(1)
    ))?;
    Ok(connection)
}

statement! {
    LeaveAutocommit<'a> on Mysql, MysqlConnection: () -> BigInt = "SET autocommit = 0"
}

// It changes nothing. A `SELECT ... FOR UPDATE` would tell only while its rows are read that it has waited for too long, and
// the client library then waits for ever for rows behind that.
statement! {
    LockWriter<'a> on Mysql, MysqlConnection: () -> BigInt = "UPDATE `messagebox_writer` SET `id` = `id`"
}

statement! {
    EnterAutocommit<'a> on Mysql, MysqlConnection: () -> BigInt = "SET autocommit = 1"
}

/// Begins a transaction, and waits for the writer's lock if it is needed.
///
/// diesel's own way to begin and to commit takes three round trips each: it switches a mode of the protocol on and off. These
/// statements stay prepared. diesel knows nothing of the transaction, so nothing may begin one inside it.
pub(super) fn begin(connection: &mut MysqlConnection, lock: WriteLock) -> QueryResult<()> {
    with_values!(LeaveAutocommit {}).execute(connection)?;
    if lock == WriteLock::Held
        && let Err(error) = with_values!(LockWriter {}).execute(connection)
    {
        // Where this fails too, the connection is lost.
        let _ = roll_back(connection);
        return Err(error);
    }
    Ok(())
}

/// Commits: the server does this when automatic commits are switched on again.
pub(super) fn commit(connection: &mut MysqlConnection) -> QueryResult<()> {
    let committed = with_values!(EnterAutocommit {}).execute(connection);
    if committed.is_err() {
        // Nobody who gets this connection next may find a transaction open. Where this fails too, the connection is lost.
        let _ = roll_back(connection);
    }
    committed.map(drop)
}

/// Takes the transaction back.
pub(super) fn roll_back(connection: &mut MysqlConnection) -> QueryResult<()> {
    connection.batch_execute("ROLLBACK")?;
    with_values!(EnterAutocommit {})
        .execute(connection)
        .map(drop)
}

/// Lets this session be silent for a day, in a transaction too.
pub(super) fn be_patient(connection: &mut MysqlConnection) -> QueryResult<()> {
    connection.batch_execute("SET SESSION wait_timeout = 86400, SESSION net_write_timeout = 86400")
}

fn is_encrypted(connection: &mut MysqlConnection) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Status {
        #[diesel(sql_type = Text, column_name = "Value")]
        cipher: String,
    }
    let status: Vec<Status> =
        diesel::sql_query("SHOW SESSION STATUS LIKE 'Ssl_cipher'").load(connection)?;
    Ok(status.iter().any(|status| !status.cipher.is_empty()))
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Nullable<BigInt>)]
    answer: Option<i64>,
}

/// Runs `work` while no other server of this database runs such.
pub(super) fn alone<T>(
    connection: &mut MysqlConnection,
    work: impl FnOnce(&mut MysqlConnection) -> migration::Result<T>,
) -> migration::Result<T> {
    // Locks belong to the server, not to a database.
    let name = "CONCAT('messagebox ', SHA1(DATABASE()))";
    let lock = format!(
        "SELECT GET_LOCK({name}, {}) AS `answer`",
        PATIENCE.as_secs()
    );
    let lock: Answer = diesel::sql_query(lock).get_result(connection)?;
    if lock.answer != Some(1) {
        return Err("another server has been migrating for too long".into());
    }
    let done = work(connection);
    diesel::sql_query(format!("DO RELEASE_LOCK({name})")).execute(connection)?;
    done
}

/// Bytes that a statement and its values may have together.
pub(super) fn max_packet(connection: &mut MysqlConnection) -> QueryResult<usize> {
    let packet = "SELECT CAST(@@max_allowed_packet AS SIGNED) AS `answer`";
    let packet: Answer = diesel::sql_query(packet).get_result(connection)?;
    let packet = packet.answer.and_then(|bytes| usize::try_from(bytes).ok());
    Ok(packet.unwrap_or(usize::MAX))
}

/// Has `information_schema` say what holds now: MySQL keeps what it says of a table for a day. MariaDB skips the comment.
pub(super) fn ask_tables_themselves(connection: &mut MysqlConnection) -> QueryResult<()> {
    let now = "SET @expiry = 0 /*!80003 , SESSION information_schema_stats_expiry = 0 */";
    connection.batch_execute(now)
}

/// Lets the ids of a table go on behind this one. Commits what was begun. No name of a table can be bound.
pub(super) fn give_ids_behind(
    connection: &mut MysqlConnection,
    table: &'static str,
    last: i64,
) -> QueryResult<()> {
    let next = last.saturating_add(1);
    connection.batch_execute(&format!("ALTER TABLE `{table}` AUTO_INCREMENT = {next}"))
}
