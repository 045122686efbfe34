//! Adopting a database of the TypeScript server in place. That server could still run on it afterwards.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use messagebox::auth::Identity;
use serde_json::{Value, json};

use crate::support::brc104::{Answer, Brc104};
use crate::support::database::{Kind, TestDatabase};
use crate::support::eventually;
use crate::support::payer::{Payment, anyone};
use crate::support::server::TestServer;

fn run_migrate(database: &TestDatabase, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_messagebox-server"))
        .env_clear()
        .env("DATABASE_URL", database.url())
        .arg("migrate")
        .args(arguments)
        .output()
        .unwrap()
}

fn migrate(database: &TestDatabase, arguments: &[&str]) -> String {
    let output = run_migrate(database, arguments);
    let printed = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    String::from_utf8(output.stdout).unwrap()
}

/// One line for each column of each table.
fn columns(database: &TestDatabase) -> Vec<String> {
    database.texts(
        "SELECT CONCAT_WS(' ', table_name, column_name, column_type, COALESCE(collation_name, '')) AS value \
         FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY 1",
    )
}

async fn get(client: &Brc104, target: &str) -> Answer {
    client
        .send(&client.sign(client.request("GET", target, "")))
        .await
}

async fn list(client: &Brc104) -> Vec<(String, String)> {
    let answer = client
        .post("/listMessages", r#"{"messageBox":"inbox"}"#)
        .await;
    assert_eq!(answer.status, 200, "{:?}", answer.json);
    let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    let items = answer.json["messages"].as_array().unwrap();
    items
        .iter()
        .map(|item| (text(item, "messageId"), text(item, "body")))
        .collect()
}

async fn send(from: &Brc104, to: &str, id: &str) -> (u16, String) {
    let message = json!({"recipient": to, "messageBox": "inbox", "messageId": id, "body": id});
    let answer = from
        .post("/sendMessage", json!({ "message": message }).to_string())
        .await;
    (answer.status, answer.code().to_owned())
}

#[expect(
    clippy::too_many_lines,
    reason = "one database, told from start to end"
)]
pub async fn a_database_of_the_typescript_server_is_taken_over_in_place() {
    let database = Arc::new(TestDatabase::of(Kind::Mysql));
    let (alice, bob) = (Arc::new(Identity::random()), Arc::new(Identity::random()));
    let (alices_key, bobs_key) = (alice.identity_key().to_hex(), bob.identity_key().to_hex());
    let fill = |sql: &str| {
        sql.replace("$ALICE", &alices_key)
            .replace("$BOB", &bobs_key)
    };
    database.run(&fill(include_str!("typescript_server.sql")));

    // The dry run prints the changes and makes none. Then the migration makes them once.
    let before = columns(&database);
    let planned = migrate(&database, &["--dry-run"]);
    assert!(
        planned.contains("ADD UNIQUE INDEX `messages_of_recipient`"),
        "{planned}"
    );
    assert_eq!(columns(&database), before);
    assert!(migrate(&database, &[]).contains("applied 2026-11-21-000004_number_messages"));
    assert!(migrate(&database, &[]).contains(": 0 migrations applied"));
    let names = |columns: &[String]| -> Vec<String> {
        let name = |line: &String| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
        columns.iter().map(name).collect()
    };
    let after = names(&columns(&database));
    for name in names(&before) {
        assert!(after.contains(&name), "{name} is gone");
    }

    // The server reads its rows.
    let server = TestServer::on(Arc::clone(&database), |_| {});
    let alice = Brc104::connect_as(&server.http(""), alice).await;
    let bob = Brc104::connect_as(&server.http(""), bob).await;
    let pair = |id: &str, body: &str| (id.to_owned(), body.to_owned());
    let stored = vec![
        pair("z", r#"{"message":"first"}"#),
        pair("m", r#"{"message":{"n":2}}"#),
        pair("a", r#"{"message":"third"}"#),
    ];
    assert_eq!(list(&bob).await, stored);
    let quote = get(
        &alice,
        &format!("/permissions/quote?recipient={bobs_key}&messageBox=notifications"),
    )
    .await;
    assert_eq!(quote.json["quote"]["deliveryFee"], 25, "{:?}", quote.json);
    let permission = get(&bob, "/permissions/get?messageBox=inbox").await;
    assert_eq!(
        permission.json["permission"]["recipientFee"], 5,
        "{:?}",
        permission.json
    );
    let own = get(
        &bob,
        &format!("/permissions/get?messageBox=letters&sender={alices_key}"),
    )
    .await;
    assert_eq!(own.json["permission"]["recipientFee"], 3, "{:?}", own.json);
    let devices = get(&bob, "/devices").await;
    assert_eq!(
        devices.json["devices"][0]["platform"], "ios",
        "{:?}",
        devices.json
    );
    assert_eq!(
        database
            .texts("SELECT message_box AS value FROM server_fees")
            .len(),
        2
    );

    // An id that was unique for everyone is now unique for its recipient.
    let free = r#"{"messageBox":"inbox","recipientFee":0}"#;
    assert_eq!(bob.post("/permissions/set", free).await.status, 200);
    assert_eq!(send(&bob, &alices_key, "z").await.0, 200);
    assert_eq!(send(&alice, &bobs_key, "z").await.0, 200);
    let carol = Brc104::connect(&server.http("")).await;
    assert_eq!(
        send(&carol, &bobs_key, "z").await,
        (400, "ERR_DUPLICATE_MESSAGE".to_owned())
    );
    assert_eq!(send(&carol, &bobs_key, "Z").await.0, 200);
    // Current clients make ids of 256 bytes, which did not fit in the old column.
    let long = "x".repeat(256);
    assert_eq!(send(&carol, &bobs_key, &long).await.0, 200);
    let acknowledged = json!({ "messageIds": [long] }).to_string();
    assert_eq!(
        bob.post("/acknowledgeMessage", acknowledged).await.status,
        200
    );

    // The statements of that server, as knex writes them.
    for _ in 0..2 {
        database.run(&fill(
            "insert ignore into `messageBox` (`created_at`, `identityKey`, `type`, `updated_at`) values ('2026-02-01 00:00:00.123', '$BOB', 'inbox', '2026-02-01 00:00:00.123');
             insert ignore into `messages` (`body`, `created_at`, `messageBoxId`, `messageId`, `recipient`, `sender`, `updated_at`) values ('{\"message\":\"theirs\"}', '2026-02-01 00:00:00.123', 7, 'theirs', '$BOB', '$ALICE', '2026-02-01 00:00:00.123');
             insert into `message_permissions` (`created_at`, `message_box`, `recipient`, `recipient_fee`, `sender`, `updated_at`) values ('2026-02-01 00:00:00.123', 'inbox', '$BOB', 0, NULL, '2026-02-01 00:00:00.123') on duplicate key update `recipient_fee` = values(`recipient_fee`), `updated_at` = values(`updated_at`);
             insert into `device_registrations` (`active`, `created_at`, `device_id`, `fcm_token`, `identity_key`, `last_used`, `platform`, `updated_at`) values (1, '2026-02-01 00:00:00', NULL, 'token', '$BOB', '2026-02-01 00:00:00', 'android', '2026-02-01 00:00:00') on duplicate key update `platform` = values(`platform`);
             delete from `messages` where `recipient` = '$BOB' and `messageId` in ('m');",
        ));
    }
    let select = |sql: &str| database.texts(&fill(sql));
    assert_eq!(
        select(
            "select concat(`messageBoxId`) as `value` from `messageBox` where `identityKey` = '$BOB' and `type` = 'inbox' limit 1"
        ),
        ["7"]
    );
    let ids = select(
        "select `messageId` as `value`, `body`, `sender`, `created_at`, `updated_at` from `messages` where `recipient` = '$BOB' and `messageBoxId` = 7",
    );
    assert_eq!(ids.len(), 4, "{ids:?}");
    let fees = select(
        "select concat(`recipient_fee`) as `value` from `message_permissions` where `recipient` = '$BOB' and `message_box` = 'inbox' and `sender` is null",
    );
    assert_eq!(fees, ["0"]);
    assert_eq!(
        select("select `name` as `value` from `knex_migrations`").len(),
        4
    );

    // The server reads what that server wrote.
    let listed = list(&bob).await;
    let ids: Vec<&str> = listed.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["z", "a", "Z", "theirs"]);
    assert_eq!(listed[3].1, r#"{"message":"theirs"}"#);
    let devices = get(&bob, "/devices").await;
    assert_eq!(
        devices.json["devices"][0]["platform"], "android",
        "{:?}",
        devices.json
    );
}

/// A newer TypeScript server has already added an expiry time to messages.
pub async fn a_column_that_is_there_already_keeps_what_is_in_it() {
    let database = Arc::new(TestDatabase::of(Kind::Mysql));
    let (alice, bob) = (Identity::random(), Arc::new(Identity::random()));
    let fill = |sql: &str| {
        sql.replace("$ALICE", &alice.identity_key().to_hex())
            .replace("$BOB", &bob.identity_key().to_hex())
    };
    database.run(&fill(include_str!("typescript_server.sql")));
    database.run(
        "alter table `messages` add `expires_at` timestamp null;
         update `messages` set `expires_at` = '2037-01-02 03:04:05' where `messageId` = 'z';
         update `messages` set `expires_at` = '2020-01-02 03:04:05' where `messageId` = 'm';",
    );
    let before = columns(&database);
    let planned = migrate(&database, &["--dry-run"]);
    assert!(
        planned.contains("IF(@has_expiry, 'MODIFY', 'ADD COLUMN')"),
        "{planned}"
    );
    assert_eq!(columns(&database), before);
    migrate(&database, &[]);
    let after = columns(&database);
    assert!(
        after.contains(&"messages expires_at datetime(3) ".to_owned()),
        "{after:?}"
    );
    let expiry =
        "SELECT CONCAT(COALESCE(expires_at, 'never')) AS value FROM messages ORDER BY messageId";
    let kept = [
        "never",
        "2020-01-02 03:04:05.000",
        "2037-01-02 03:04:05.000",
    ];
    assert_eq!(database.texts(expiry), kept);

    let server = TestServer::on(Arc::clone(&database), |_| {});
    let bobs = Brc104::connect_as(&server.http(""), Arc::clone(&bob)).await;
    let ids = |listed: Vec<(String, String)>| listed.into_iter().map(|(id, _)| id);
    assert_eq!(ids(list(&bobs).await).collect::<Vec<_>>(), ["z", "a"]);
    // The TypeScript server keeps writing to it.
    database.run(&fill(
        "insert ignore into `messages` (`body`, `created_at`, `expires_at`, `messageBoxId`, `messageId`, `recipient`, `sender`, `updated_at`) values ('theirs', '2026-02-01 00:00:00.123', '2037-02-01 00:00:00.000', 7, 'theirs', '$BOB', '$ALICE', '2026-02-01 00:00:00.123');",
    ));
    assert_eq!(
        ids(list(&bobs).await).collect::<Vec<_>>(),
        ["z", "a", "theirs"]
    );
}

fn scripts() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/mysql");
    let folders = std::fs::read_dir(folder).unwrap();
    let mut folders: Vec<_> = folders.map(|folder| folder.unwrap().path()).collect();
    folders.sort();
    let script = |folder: &PathBuf| std::fs::read_to_string(folder.join("up.sql")).unwrap();
    folders.iter().map(script).collect()
}

/// The id of a payment's transaction, with which an `AtomicBEEF` begins.
pub fn txid(payment: &Value) -> String {
    let bytes: Vec<u8> = serde_json::from_value(payment["tx"].clone()).unwrap();
    let mut id = bytes[4..36].to_vec();
    id.reverse();
    hex::encode(id)
}

async fn set_permission(of: &Brc104, message_box: &str, sender: Option<&str>, fee: i64) {
    let body = json!({"messageBox": message_box, "sender": sender, "recipientFee": fee});
    let answer = of.post("/permissions/set", body.to_string()).await;
    assert_eq!(answer.status, 200, "{:?}", answer.json);
}

/// With its newer tables and columns, and their rows.
#[expect(
    clippy::too_many_lines,
    reason = "one database, told from start to end"
)]
pub async fn a_database_of_a_newer_typescript_server_is_taken_over_in_place() {
    let database = Arc::new(TestDatabase::of(Kind::Mysql));
    let (alice, bob) = (Arc::new(Identity::random()), Arc::new(Identity::random()));
    let (alices_key, bobs_key) = (alice.identity_key().to_hex(), bob.identity_key().to_hex());
    let bobs_identity = bob.identity_key();
    let pay = || {
        let payment = Payment::default();
        payment.to(&anyone(), bobs_identity, 7).json()
    };
    let taken = pay();
    let fill = |sql: &str| {
        sql.replace("$ALICE", &alices_key)
            .replace("$BOB", &bobs_key)
            .replace("$TXID", &txid(&taken))
    };
    database.run(&fill(include_str!("typescript_server.sql")));
    database.run(&fill(include_str!("typescript_server_newer.sql")));
    migrate(&database, &[]);
    assert!(migrate(&database, &[]).contains(": 0 migrations applied"));
    assert_eq!(database.count("payment_replays"), 1);

    // Expired messages are hidden, then deleted.
    let server = TestServer::on(Arc::clone(&database), |settings| {
        settings.messages.sweep_interval = Duration::from_millis(20);
    });
    let alice = Brc104::connect_as(&server.http(""), alice).await;
    let bob = Brc104::connect_as(&server.http(""), bob).await;
    let carol = Brc104::connect(&server.http("")).await;
    let carols_key = carol.identity.identity_key().to_hex();
    let ids = |listed: Vec<(String, String)>| -> Vec<String> {
        listed.into_iter().map(|(id, _)| id).collect()
    };
    assert_eq!(ids(list(&bob).await), ["z", "a"]);
    eventually("the expired message", || database.count("messages") == 2).await;

    // Permissions have the scope that its unique index compares.
    set_permission(&bob, "inbox", None, 0).await;
    for sender in [None, Some(&*alices_key), Some(&*carols_key)] {
        set_permission(&bob, "paid", sender, 7).await;
    }
    let wrong = "SELECT CONCAT(message_box, ' ', sender_scope) AS value FROM message_permissions \
                 WHERE sender_scope <> COALESCE(sender, '')";
    assert_eq!(database.texts(wrong), [""; 0]);
    assert_eq!(database.count("message_permissions"), 5);

    // A payment that it has taken is not taken again. Payments taken here are recorded for it too.
    let paying = async |id: &str, payment: &Value| {
        let message =
            json!({"recipient": bobs_key, "messageBox": "paid", "messageId": id, "body": id});
        let body = json!({"message": message, "payment": payment});
        let answer = alice.post("/sendMessage", body.to_string()).await;
        (answer.status, answer.code().to_owned())
    };
    let reused = (400, "ERR_PAYMENT_REUSED".to_owned());
    assert_eq!(paying("p1", &taken).await, reused);
    let ours = pay();
    assert_eq!(paying("p1", &ours).await, (200, String::new()));
    assert_eq!(paying("p2", &ours).await, reused);
    let noted = database.texts("SELECT transaction_id AS value FROM payment_replays");
    assert!(
        noted.contains(&txid(&ours)) && noted.len() == 2,
        "{noted:?}"
    );
    assert_eq!(send(&alice, &bobs_key, "ours").await.0, 200);
    let expiry = "SELECT CONCAT(COALESCE(expires_at, 'never')) AS value FROM messages WHERE messageId = 'ours'";
    assert_eq!(database.texts(expiry), ["never"]);
    let keeping = TestServer::on(Arc::clone(&database), |settings| {
        settings.messages.ttl = Duration::from_secs(3_650 * 86_400);
    });
    let keeping = Brc104::connect(&keeping.http("")).await;
    assert_eq!(send(&keeping, &bobs_key, "kept").await.0, 200);
    let retention = "SELECT CONCAT(TIMESTAMPDIFF(DAY, created_at, expires_at)) AS value FROM messages WHERE messageId = 'kept'";
    assert_eq!(database.texts(retention), ["3650"]);
    database.run("DELETE FROM messages WHERE messageId = 'kept'");

    // The statements of that server, as knex writes them.
    let ours_again = format!(
        "insert ignore into `payment_replays` (`created_at`, `expires_at`, `transaction_id`) values (CURRENT_TIMESTAMP, NULL, '{}')",
        txid(&ours)
    );
    database.run(&ours_again);
    for _ in 0..2 {
        database.run(&fill(
            "insert ignore into `messageBox` (`created_at`, `identityKey`, `type`, `updated_at`) values ('2026-02-01 00:00:00.123', '$BOB', 'inbox', '2026-02-01 00:00:00.123');
             insert ignore into `messages` (`body`, `created_at`, `expires_at`, `messageBoxId`, `messageId`, `recipient`, `sender`, `updated_at`) values ('{\"message\":\"theirs\"}', '2026-02-01 00:00:00.123', '2037-02-01 00:00:00.000', 7, 'theirs', '$BOB', '$ALICE', '2026-02-01 00:00:00.123');
             insert into `message_permissions` (`created_at`, `message_box`, `recipient`, `recipient_fee`, `sender`, `sender_scope`, `updated_at`) values ('2026-02-01 00:00:00.123', 'inbox', '$BOB', 4, NULL, '', '2026-02-01 00:00:00.123') on duplicate key update `recipient_fee` = values(`recipient_fee`), `updated_at` = values(`updated_at`);
             insert into `message_permissions` (`created_at`, `message_box`, `recipient`, `recipient_fee`, `sender`, `sender_scope`, `updated_at`) values ('2026-02-01 00:00:00.123', 'paid', '$BOB', 9, '$ALICE', '$ALICE', '2026-02-01 00:00:00.123') on duplicate key update `recipient_fee` = values(`recipient_fee`), `updated_at` = values(`updated_at`);
             insert ignore into `message_resource_locks` (`identity_key`, `updated_at`) values ('$BOB', '2026-02-01 00:00:00.123');
             insert into `auth_sessions` (`certificatesRequired`, `certificatesValidated`, `expiresAt`, `isAuthenticated`, `lastUpdate`, `peerIdentityKey`, `peerNonce`, `sessionNonce`) values (NULL, NULL, 4000000000000, 1, 1790000000001, '$ALICE', 'a nonce', 'theirs') on duplicate key update `lastUpdate` = values(`lastUpdate`), `expiresAt` = values(`expiresAt`);
             insert ignore into `auth_message_nonces` (`expiresAt`, `messageNonce`, `sessionNonce`) values (4000000000000, 'another', 'theirs');
             insert ignore into `payment_replays` (`created_at`, `expires_at`, `transaction_id`) values (CURRENT_TIMESTAMP, '2037-02-01 00:00:00.000', repeat('b', 64));
             insert ignore into `message_payment_intents` (`attempt_token`, `created_at`, `request_digest`, `status`, `transaction_id`, `updated_at`) values ('t', CURRENT_TIMESTAMP, repeat('c', 64), 'prepared', repeat('b', 64), CURRENT_TIMESTAMP);
             update `message_payment_intents` set `status` = 'completed', `updated_at` = CURRENT_TIMESTAMP where `transaction_id` = repeat('b', 64);
             delete from `messages` where `expires_at` <= '2026-02-01 00:00:00.000' limit 1000;
             delete from `messages` where `recipient` = '$BOB' and `messageId` in ('a');",
        ));
    }
    let select = |sql: &str| database.texts(&fill(sql));
    assert_eq!(
        select(
            "select `messageId` as `value`, `body`, `sender`, `created_at`, `updated_at` from `messages` where `recipient` = '$BOB' and `messageBoxId` = 7 and (`expires_at` is null or `expires_at` > CURRENT_TIMESTAMP) order by `created_at` asc, `messageId` asc limit 1000"
        ),
        ["z", "theirs", "ours"]
    );
    assert_eq!(database.count("payment_replays"), 3);
    assert_eq!(database.count("message_permissions"), 5);
    assert_eq!(
        select(
            "select concat(count(*), ' ', sum(length(`body`)) > 0) as `value` from `messages` where `recipient` = '$BOB'"
        ),
        ["4 1"]
    );

    // The server reads what that server wrote.
    assert_eq!(ids(list(&bob).await), ["z", "ours", "theirs"]);
    let permission = get(&bob, "/permissions/get?messageBox=inbox").await;
    assert_eq!(permission.json["permission"]["recipientFee"], 4);
    let own = format!("/permissions/get?messageBox=paid&sender={alices_key}");
    assert_eq!(get(&bob, &own).await.json["permission"]["recipientFee"], 9);
}

/// The server may end between a script and the record that it has run: MySQL commits each `ALTER TABLE` by itself.
pub fn what_was_done_and_not_noted_may_be_done_again() {
    let adopted = || {
        let database = TestDatabase::of(Kind::Mysql);
        database.run(include_str!("typescript_server.sql"));
        database
    };
    let contents = |database: &TestDatabase| {
        let select = |what: &str| database.texts(&format!("SELECT {what}"));
        [
            columns(database),
            select(
                "CONCAT_WS(' ', table_name, index_name, non_unique, seq_in_index, column_name) AS value \
                 FROM information_schema.statistics WHERE table_schema = DATABASE() ORDER BY 1",
            ),
            select("CONCAT_WS(' ', id, messageId, body) AS value FROM messages ORDER BY id"),
            select(
                "CONCAT_WS(' ', id, recipient_fee) AS value FROM message_permissions ORDER BY id",
            ),
            select("CONCAT(id) AS value FROM messagebox_writer"),
        ]
    };
    let once = adopted();
    migrate(&once, &[]);
    let expected = contents(&once);

    // Each is recorded too late.
    let versions = once.texts("SELECT version AS value FROM __diesel_schema_migrations");
    assert_eq!(versions.len(), scripts().len());
    for version in versions {
        once.run(&format!(
            "DELETE FROM __diesel_schema_migrations WHERE version = '{version}'"
        ));
        let printed = migrate(&once, &[]);
        assert!(printed.contains(": 1 migrations applied"), "{printed}");
        assert_eq!(contents(&once), expected, "{version}");
    }

    // Each runs twice before the next.
    let twice = adopted();
    for script in scripts() {
        twice.run(&script);
        twice.run(&script);
    }
    // All of them run once more and are recorded.
    migrate(&twice, &[]);
    assert_eq!(contents(&twice), expected);
}

/// A table that has the name of one of ours but another form stays as it is.
pub fn another_programs_payments_are_not_ours() {
    let database = TestDatabase::of(Kind::Mysql);
    database.run("CREATE TABLE payments (id INT PRIMARY KEY, amount INT)");
    let output = run_migrate(&database, &[]);
    assert_ne!(output.status.code(), Some(0));
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(printed.contains("000008_create_payments"), "{printed}");
}

/// For that server, keys in upper case were the same keys.
pub async fn keys_in_capitals_are_keys() {
    let database = Arc::new(TestDatabase::of(Kind::Mysql));
    let (alice, bob) = (Arc::new(Identity::random()), Arc::new(Identity::random()));
    let (alices_key, bobs_key) = (alice.identity_key().to_hex(), bob.identity_key().to_hex());
    let capitals = include_str!("typescript_server.sql")
        .replace("$ALICE", &alices_key.to_uppercase())
        .replace("$BOB", &bobs_key.to_uppercase());
    database.run(&capitals);
    // Each box exists in one spelling only, so no two of them collide.
    let boxes = database.count("messageBox");
    database.run(&format!(
        "insert ignore into `messageBox` (`type`, `identityKey`) values ('inbox', '{bobs_key}')"
    ));
    assert_eq!(database.count("messageBox"), boxes);

    let server = TestServer::on(Arc::clone(&database), |_| {});
    let bob = Brc104::connect_as(&server.http(""), bob).await;
    let ids = list(&bob).await.into_iter().map(|(id, _)| id);
    assert_eq!(ids.collect::<Vec<_>>(), ["z", "m", "a"]);
    let senders = database.texts("SELECT DISTINCT sender AS value FROM messages");
    assert_eq!(senders, std::slice::from_ref(&alices_key));
    let own = get(
        &bob,
        &format!("/permissions/get?messageBox=letters&sender={alices_key}"),
    )
    .await;
    assert_eq!(own.json["permission"]["recipientFee"], 3, "{:?}", own.json);
    let devices = get(&bob, "/devices").await;
    assert_eq!(
        devices.json["devices"][0]["platform"], "ios",
        "{:?}",
        devices.json
    );
    assert_eq!(
        bob.post(
            "/acknowledgeMessage",
            json!({"messageIds": ["z", "m", "a"]}).to_string()
        )
        .await
        .status,
        200
    );
    assert_eq!(database.count("messages"), 0);
}
