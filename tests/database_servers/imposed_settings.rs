//! Settings that a database server imposes on all sessions. They change nothing here, or the start names the one to
//! change and leaves nothing behind.

use std::time::Duration;

use messagebox::config::Secret;
use messagebox::db::{DatabaseUrl, DbHandle, DbSettings};
use serde_json::json;

use crate::own_server::{Make, OwnServer};
use crate::support::brc104::Brc104;
use crate::support::eventually;
use crate::support::server::TestServer;

/// The error of the start.
fn refusal(url: &str) -> String {
    let settings = DbSettings::new(DatabaseUrl::parse(url).unwrap());
    DbHandle::open(&settings, None)
        .map(drop)
        .unwrap_err()
        .to_string()
}

/// Sends, lists and acknowledges, and deletes expired messages.
async fn works(database: &OwnServer, url: String) {
    let server = TestServer::with(|settings| {
        settings.database.url = Some(Secret::new(url));
        settings.messages.sweep_interval = Duration::from_millis(50);
    });
    let client = Brc104::connect(&server.http("")).await;
    let recipient = client.identity.identity_key().to_hex();
    let soon = time::OffsetDateTime::now_utc() + Duration::from_secs(2);
    let soon = soon.unix_timestamp_nanos() / 1_000_000;
    let soon = i64::try_from(soon).unwrap();
    for (id, expires_at) in [("a", None), ("b\\'", None), ("gone", Some(soon))] {
        let message = json!({"recipient": recipient, "messageBox": "inbox", "messageId": id, "body": id, "expiresAt": expires_at});
        let message = json!({ "message": message }).to_string();
        assert_eq!(
            client.post("/sendMessage", message).await.status,
            200,
            "{id}"
        );
    }
    let listed = client
        .post("/listMessages", r#"{"messageBox":"inbox"}"#)
        .await;
    assert_eq!(listed.status, 200);
    let listed = listed.json["messages"].as_array().unwrap().clone();
    assert_eq!(
        (&listed[0]["messageId"], &listed[1]["messageId"]),
        (&json!("a"), &json!("b\\'"))
    );
    let acknowledged = client
        .post("/acknowledgeMessage", r#"{"messageIds":["a"]}"#)
        .await;
    assert_eq!(acknowledged.status, 200);
    let count = "SELECT CAST(COUNT(*) AS CHAR(9)) AS value FROM messages";
    eventually("the expired message to be deleted", || {
        let counted = database.texts(count);
        counted.iter().all(|count| count.trim() == "1")
    })
    .await;
    assert_eq!(server.db.status().failures, 0);
}

pub async fn what_mariadb_imposes_changes_nothing() {
    let options = ["--log-bin", "--binlog-format=STATEMENT", "--server-id=1"];
    let database = OwnServer::start(Make::MariaDb, &options);
    let url = database.url();
    for setting in [
        "completion_type = 'CHAIN'",
        "default_storage_engine = MyISAM",
        "foreign_key_checks = 0",
        "sql_auto_is_null = 1",
        "sql_safe_updates = 1",
        "sql_select_limit = 1",
        "tx_isolation = 'SERIALIZABLE'",
        "autocommit = 0",
        "sql_mode = 'ORACLE'",
        "max_statement_time = 0.5",
    ] {
        database.run(&format!("SET GLOBAL {setting}"));
    }
    works(&database, url).await;
}

pub async fn what_mariadb_does_not_allow_is_named_and_leaves_no_tables() {
    let options = ["--log-bin", "--binlog-format=STATEMENT", "--server-id=1"];
    let database = OwnServer::start(Make::MariaDb, &options);
    let ordinary = database.ordinary_url();
    let error = refusal(&ordinary);
    assert!(error.contains("binlog_format=ROW"), "{error}");
    assert_eq!(database.tables(), [""; 0]);
    database.run("SET GLOBAL binlog_format = MIXED");
    database.run("SET GLOBAL tx_read_only = 1");
    let error = refusal(&ordinary);
    assert!(error.contains("tx_read_only=0"), "{error}");
    assert_eq!(database.tables(), [""; 0]);
    database.run("SET GLOBAL tx_read_only = 0");
    // The start fails after seven tables. Tables of other programs stay.
    database.run("CREATE TABLE messages.payments (id INT PRIMARY KEY)");
    let error = refusal(&ordinary);
    assert!(error.contains("create_payments"), "{error}");
    assert_eq!(database.tables(), ["payments"]);
    database.run("DROP TABLE messages.payments");
    works(&database, ordinary).await;
}

pub async fn what_postgresql_imposes_changes_nothing() {
    let database = OwnServer::start(Make::Postgres, &[]);
    database.run("CREATE ROLE imposed LOGIN");
    database.run("ALTER DATABASE messages OWNER TO imposed");
    for setting in [
        "default_transaction_isolation = serializable",
        "default_transaction_deferrable = on",
        "statement_timeout = '30ms'",
        "lock_timeout = '1ms'",
        "idle_in_transaction_session_timeout = '1ms'",
        "idle_session_timeout = '50ms'",
        "standard_conforming_strings = off",
        "DateStyle = 'SQL, DMY'",
        "IntervalStyle = sql_standard",
        "TimeZone = 'Asia/Kolkata'",
        "bytea_output = escape",
        "synchronous_commit = off",
    ] {
        database.run(&format!("ALTER ROLE imposed SET {setting}"));
    }
    let url = database.url().replace("postgres@", "imposed@");
    works(&database, url).await;
}

pub async fn what_postgresql_does_not_allow_is_named_and_leaves_no_tables() {
    let database = OwnServer::start(Make::Postgres, &[]);
    let url = database.url();
    for (set, named) in [
        (
            "default_transaction_read_only = on",
            "default_transaction_read_only",
        ),
        ("search_path = nowhere", "search_path"),
    ] {
        database.run(&format!("ALTER DATABASE messages SET {set}"));
        let error = refusal(&url);
        assert!(error.contains(named), "{error}");
        assert_eq!(database.tables(), [""; 0]);
        database.run("ALTER DATABASE messages RESET ALL");
    }
    works(&database, url).await;
}
