//! A database of the TypeScript server is taken over where it is, and that server could still run on it.

use std::process::{Command, Output};
use std::sync::Arc;

use messagebox::auth::Identity;
use serde_json::{Value, json};

use crate::support::brc104::{Answer, Brc104};
use crate::support::database::{Kind, TestDatabase};
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
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Every column of every table, in a line each.
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

#[actix_web::test]
async fn a_database_of_the_typescript_server_is_taken_over_in_place() {
    let database = Arc::new(TestDatabase::of(Kind::Mysql));
    let (alice, bob) = (Arc::new(Identity::random()), Arc::new(Identity::random()));
    let (alices_key, bobs_key) = (alice.identity_key().to_hex(), bob.identity_key().to_hex());
    let fill = |sql: &str| {
        sql.replace("$ALICE", &alices_key)
            .replace("$BOB", &bobs_key)
    };
    database.run(&fill(include_str!("typescript_server.sql")));

    // What would be done is said, and only said; then it is done, once.
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

    // Its rows are ours.
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

    // An id that was unique for everybody is so for its recipient.
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

    // The statements of that server, as knex makes them.
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

    // And what it wrote is there for us.
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

/// A newer one has put times to messages by itself.
#[actix_web::test]
async fn a_column_that_is_there_already_keeps_what_is_in_it() {
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
    // Its server goes on to write it.
    database.run(&fill(
        "insert ignore into `messages` (`body`, `created_at`, `expires_at`, `messageBoxId`, `messageId`, `recipient`, `sender`, `updated_at`) values ('theirs', '2026-02-01 00:00:00.123', '2037-02-01 00:00:00.000', 7, 'theirs', '$BOB', '$ALICE', '2026-02-01 00:00:00.123');",
    ));
    assert_eq!(
        ids(list(&bobs).await).collect::<Vec<_>>(),
        ["z", "a", "theirs"]
    );
}

/// A server may end between a script and the note that it has run, since MySQL commits where a table is altered.
#[test]
fn what_was_done_and_not_noted_may_be_done_again() {
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

    // Each noted too late.
    let versions = once.texts("SELECT version AS value FROM __diesel_schema_migrations");
    let folders = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/mysql");
    let count = std::fs::read_dir(folders).unwrap().count();
    assert_eq!(versions.len(), count);
    for version in versions {
        once.run(&format!(
            "DELETE FROM __diesel_schema_migrations WHERE version = '{version}'"
        ));
        let said = migrate(&once, &[]);
        assert!(said.contains(": 1 migrations applied"), "{said}");
        assert_eq!(contents(&once), expected, "{version}");
    }

    // Each twice before the next.
    let twice = adopted();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/mysql");
    let folders = std::fs::read_dir(folder).unwrap();
    let mut folders: Vec<_> = folders.map(|folder| folder.unwrap().path()).collect();
    folders.sort();
    for folder in folders {
        let script = std::fs::read_to_string(folder.join("up.sql")).unwrap();
        twice.run(&script);
        twice.run(&script);
    }
    // All of them once more, and noted.
    migrate(&twice, &[]);
    assert_eq!(contents(&twice), expected);
}

/// What is called as one of our tables and is none is left alone.
#[test]
fn another_programs_payments_are_not_ours() {
    let database = TestDatabase::of(Kind::Mysql);
    database.run("CREATE TABLE payments (id INT PRIMARY KEY, amount INT)");
    let output = run_migrate(&database, &[]);
    assert_ne!(output.status.code(), Some(0));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("000008_create_payments"), "{said}");
}

/// To that server, keys in capitals were the same keys.
#[actix_web::test]
async fn keys_in_capitals_are_keys() {
    let database = Arc::new(TestDatabase::of(Kind::Mysql));
    let (alice, bob) = (Arc::new(Identity::random()), Arc::new(Identity::random()));
    let (alices_key, bobs_key) = (alice.identity_key().to_hex(), bob.identity_key().to_hex());
    let capitals = include_str!("typescript_server.sql")
        .replace("$ALICE", &alices_key.to_uppercase())
        .replace("$BOB", &bobs_key.to_uppercase());
    database.run(&capitals);
    // A box is there in one way of writing only, so none of them meets another.
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
