//! MySQL and MariaDB: connections and sessions.

use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _};
use diesel::migration;
use diesel::mysql::{Mysql, MysqlConnection};
use diesel::prelude::*;
use diesel::r2d2::R2D2Connection as _;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::connect::url::ServerUrl;
use super::error::BoxError;
use super::statement::{statement, with_values};
use super::transaction::{Begin, WriteLock, is_read_only};

/// How long servers that start at the same time wait for each other's migrations.
const PATIENCE: Duration = Duration::from_secs(600);

/// The tables that migrations create; tables with foreign keys come first.
const TABLES: [&str; 14] = [
    "__diesel_schema_migrations",
    "messages",
    "messageBox",
    "message_permissions",
    "server_fees",
    "device_registrations",
    "payments",
    "payment_inputs",
    "payment_replays",
    "messagebox_writer",
    "auth_sessions",
    "auth_message_nonces",
    "stored_totals",
    "identity_lists",
];

/// Session settings that override the server's defaults. MariaDB runs the text in `/*M!`, MySQL the text in `/*!80003`.
///
/// Times are UTC. Oversized values are refused, not truncated. A statement sees committed data and takes no gap locks.
/// An idle session ends after two minutes, so a dead machine holds no lock. The setting `tx_read_only` is kept: it
/// marks a server that must not be written to.
const SESSION: &str = "SET time_zone = '+00:00', \
    SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', \
    SESSION lc_messages = 'en_US', SESSION autocommit = 1, SESSION completion_type = 0, \
    SESSION default_storage_engine = InnoDB, SESSION foreign_key_checks = 1, SESSION unique_checks = 1, \
    SESSION sql_auto_is_null = 0, SESSION sql_big_selects = 1, SESSION sql_safe_updates = 0, \
    SESSION sql_select_limit = 18446744073709551615, SESSION group_concat_max_len = 65536, \
    SESSION max_sort_length = 1024, SESSION wait_timeout = 120 \
    /*M! , SESSION max_statement_time = 0, SESSION idle_transaction_timeout = 0, \
    SESSION idle_write_transaction_timeout = 0, SESSION idle_readonly_transaction_timeout = 0, \
    SESSION check_constraint_checks = 1 */ \
    /*!80003 , SESSION max_execution_time = 0 */; \
    SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// Connects to the first writable host, or else to the first reachable one, and sets up the session.
pub(crate) fn connect(
    url: &ServerUrl,
    busy_timeout: Duration,
) -> Result<MysqlConnection, BoxError> {
    // Called before the client library does it: this variant frees nothing at exit that another thread may still use.
    openssl::init();
    let (mut read_only, mut failed) = (None, None);
    for host in &url.urls {
        match connect_to(host, url.encrypted, busy_timeout) {
            Ok(connection) if url.urls.len() == 1 => return Ok(connection),
            Ok(mut connection) => match can_write(&mut connection) {
                Ok(true) => return Ok(connection),
                Ok(false) => read_only = read_only.or(Some(connection)),
                Err(error) => failed = Some(error.into()),
            },
            Err(error) => failed = Some(error),
        }
    }
    read_only.ok_or_else(|| failed.unwrap_or_else(|| "no host is named".into()))
}

fn connect_to(
    host: &str,
    encrypted: bool,
    busy_timeout: Duration,
) -> Result<MysqlConnection, BoxError> {
    let mut connection = MysqlConnection::establish(host)?;
    if encrypted && !is_encrypted(&mut connection)? {
        return Err("the server does not encrypt the connection".into());
    }
    let lock_timeout = busy_timeout.as_secs().max(1);
    connection.batch_execute(&format!(
        "{SESSION}; SET SESSION innodb_lock_wait_timeout = {lock_timeout}"
    ))?;
    log_rows(&mut connection)?;
    Ok(connection)
}

statement! {
    LeaveAutocommit<'a> on Mysql, MysqlConnection: () -> BigInt = "SET autocommit = 0"
}

// Changes nothing. A `SELECT ... FOR UPDATE` reports a lock timeout only while its rows are read. The client library
// would then wait forever for the next row.
statement! {
    LockWriter<'a> on Mysql, MysqlConnection: () -> BigInt = "UPDATE `messagebox_writer` SET `id` = `id`"
}

// Both in one round trip. Only MariaDB accepts a block as a statement.
statement! {
    BeginWithLock<'a> on Mysql, MysqlConnection: () -> BigInt = "
BEGIN NOT ATOMIC
    SET autocommit = 0;
    UPDATE `messagebox_writer` SET `id` = `id`;
END"
}

statement! {
    EnterAutocommit<'a> on Mysql, MysqlConnection: () -> BigInt = "SET autocommit = 1"
}

/// Whether the server is MariaDB, which accepts statement blocks.
pub(crate) fn is_mariadb(connection: &mut MysqlConnection) -> QueryResult<bool> {
    let query = "SELECT CAST(VERSION() LIKE '%MariaDB%' AS SIGNED) AS `answer`";
    let answer: Answer = diesel::sql_query(query).get_result(connection)?;
    Ok(answer.answer == Some(1))
}

/// Begins a transaction, and waits for the writer's lock if needed.
///
/// diesel's own methods take three round trips each because they switch a protocol mode on and off. These statements
/// stay prepared. diesel does not track the transaction, so none may begin inside it.
pub(crate) fn begin(connection: &mut MysqlConnection, how: Begin) -> QueryResult<()> {
    let begun = match (how.lock, how.at_once) {
        (WriteLock::Held, true) => with_values!(BeginWithLock {}).execute(connection).map(drop),
        // The claims begin the transaction.
        (WriteLock::TakenByClaims, true) => return Ok(()),
        (lock, _) => {
            with_values!(LeaveAutocommit {}).execute(connection)?;
            if lock == WriteLock::Held {
                lock_writer(connection)
            } else {
                Ok(())
            }
        }
    };
    if let Err(error) = begun {
        let _ = roll_back(connection);
        return Err(error);
    }
    Ok(())
}

/// Waits for the writer's lock, which lasts until the transaction ends.
pub(crate) fn lock_writer(connection: &mut MysqlConnection) -> QueryResult<()> {
    with_values!(LockWriter {}).execute(connection).map(drop)
}

/// Commits by switching autocommit on.
pub(crate) fn commit(connection: &mut MysqlConnection) -> QueryResult<()> {
    let committed = with_values!(EnterAutocommit {}).execute(connection);
    if committed.is_err() {
        // The next user of this connection must not find an open transaction.
        let _ = roll_back(connection);
    }
    committed.map(drop)
}

/// Rolls back. If that fails, the pool drops the connection even if it still answers: nothing on it would ever commit.
pub(crate) fn roll_back(connection: &mut MysqlConnection) -> QueryResult<()> {
    let rolled_back = connection
        .batch_execute("ROLLBACK")
        .and_then(|()| with_values!(EnterAutocommit {}).execute(connection));
    if rolled_back.is_err() {
        AnsiTransactionManager::transaction_manager_status_mut(connection).set_in_error();
    }
    rolled_back.map(drop)
}

/// `InnoDB` refuses all writes in `READ COMMITTED` while the binary log format is `STATEMENT`.
fn log_rows(connection: &mut MysqlConnection) -> Result<(), BoxError> {
    let query =
        "SELECT CAST(@@log_bin = 1 AND @@binlog_format = 'STATEMENT' AS SIGNED) AS `answer`";
    let logs_statements: Answer = diesel::sql_query(query).get_result(connection)?;
    if logs_statements.answer != Some(1) {
        return Ok(());
    }
    let set = connection.batch_execute("SET SESSION binlog_format = 'ROW'");
    set.map_err(|error| {
        format!(
            "binlog_format is STATEMENT, and this user may not change it for a session ({error}): set binlog_format=ROW or \
             MIXED at the server, or grant the user BINLOG ADMIN (MySQL: SESSION_VARIABLES_ADMIN)"
        )
        .into()
    })
}

/// Whether this session can write, which a replica and a read-only server refuse. Before the tables exist, the first
/// migration reports it.
pub(crate) fn can_write(connection: &mut MysqlConnection) -> QueryResult<bool> {
    // Changes nothing and locks no row: servers refuse it before they search for rows.
    let update = "UPDATE `messagebox_writer` SET `id` = `id` WHERE FALSE";
    match diesel::sql_query(update).execute(connection) {
        Ok(_) => Ok(true),
        Err(error) if is_read_only(&error) => Ok(false),
        Err(_) => connection.ping().map(|()| true),
    }
}

/// Lets this session idle for a day, even in a transaction.
pub(crate) fn be_patient(connection: &mut MysqlConnection) -> QueryResult<()> {
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

/// Runs `work` while no other server of this database runs its own.
pub(crate) fn alone<T>(
    connection: &mut MysqlConnection,
    work: impl FnOnce(&mut MysqlConnection) -> migration::Result<T>,
) -> migration::Result<T> {
    if !get_lock(connection, "messagebox", PATIENCE.as_secs())? {
        return Err("another server has been migrating for too long".into());
    }
    let done = work(connection);
    diesel::sql_query("DO RELEASE_LOCK(CONCAT('messagebox ', SHA1(DATABASE())))")
        .execute(connection)?;
    done
}

pub(crate) fn lock_recount(connection: &mut MysqlConnection) -> QueryResult<bool> {
    // The server releases the lock of a closed connection a little later.
    get_lock(connection, "messagebox_recount", 1)
}

/// Locks are global to the server, so the name includes the database.
fn get_lock(connection: &mut MysqlConnection, name: &str, seconds: u64) -> QueryResult<bool> {
    let lock: Answer =
        diesel::sql_query("SELECT GET_LOCK(CONCAT(?, ' ', SHA1(DATABASE())), ?) AS `answer`")
            .bind::<Text, _>(name)
            .bind::<BigInt, _>(i64::try_from(seconds).unwrap_or(i64::MAX))
            .get_result(connection)?;
    Ok(lock.answer == Some(1))
}

/// Runs `work`, and drops the tables that it created if it fails. Other tables stay. MySQL commits each statement that
/// creates or alters a table.
pub(crate) fn whole<T>(
    connection: &mut MysqlConnection,
    work: impl FnOnce(&mut MysqlConnection) -> migration::Result<T>,
) -> migration::Result<T> {
    let before = tables(connection)?;
    let done = work(connection);
    if done.is_err() {
        let made = tables(connection)?;
        let made = made.iter().filter(|table| !before.contains(table));
        let names: Vec<String> = made.map(|table| format!("`{table}`")).collect();
        if !names.is_empty() {
            // The original error matters more than this one.
            let drop = format!("DROP TABLE {}", names.join(", "));
            if let Err(error) = connection.batch_execute(&drop) {
                log::error!(
                    "a failed migration left the tables {} behind: {error}",
                    names.join(", ")
                );
            }
        }
    }
    done
}

/// Our tables that exist.
fn tables(connection: &mut MysqlConnection) -> QueryResult<Vec<&'static str>> {
    #[derive(QueryableByName)]
    struct Table {
        #[diesel(sql_type = Text)]
        name: String,
    }
    let query = "SELECT CAST(table_name AS CHAR) AS `name` FROM information_schema.tables \
                 WHERE table_schema = DATABASE()";
    let there: Vec<Table> = diesel::sql_query(query).load(connection)?;
    let is_there = |table: &&str| there.iter().any(|it| it.name.eq_ignore_ascii_case(table));
    Ok(TABLES.into_iter().filter(is_there).collect())
}

/// Maximum bytes of a statement with its values.
pub(crate) fn max_packet(connection: &mut MysqlConnection) -> QueryResult<usize> {
    let packet = "SELECT CAST(@@max_allowed_packet AS SIGNED) AS `answer`";
    let packet: Answer = diesel::sql_query(packet).get_result(connection)?;
    let packet = packet.answer.and_then(|bytes| usize::try_from(bytes).ok());
    Ok(packet.unwrap_or(usize::MAX))
}

/// Makes `information_schema` report current values: MySQL caches them for a day. MariaDB skips the comment.
pub(crate) fn ask_tables_themselves(connection: &mut MysqlConnection) -> QueryResult<()> {
    let now = "SET @expiry = 0 /*!80003 , SESSION information_schema_stats_expiry = 0 */";
    connection.batch_execute(now)
}

/// Makes the next ids of a table follow this one. Ends the current transaction. Table names cannot be bound.
pub(crate) fn give_ids_behind(
    connection: &mut MysqlConnection,
    table: &'static str,
    last: i64,
) -> QueryResult<()> {
    let next = last.saturating_add(1);
    connection.batch_execute(&format!("ALTER TABLE `{table}` AUTO_INCREMENT = {next}"))
}
