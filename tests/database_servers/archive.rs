//! Moving all data from database to database and back without a change.

use std::process::{Command, Output};
use std::sync::Arc;

use messagebox::auth::Identity;
use messagebox::ids::IdentityKey;
use serde_json::{Value, json};

use crate::adoption::txid;
use crate::support::brc104::Brc104;
use crate::support::contents::Contents;
use crate::support::database::{Kind, TestDatabase};
use crate::support::payer::{Payment, anyone};
use crate::support::server::TestServer;

/// Runs the binary on this database, and expects success.
pub fn run(database: &TestDatabase, arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_messagebox-server"))
        .env_clear()
        .env("DATABASE_URL", database.url())
        .args(arguments)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    output
}

fn same(original: &str, other: &str, kind: Kind) {
    let head = |line: &str| line.chars().take(300).collect::<String>();
    for (one, other) in original.lines().zip(other.lines()) {
        assert!(one == other, "{kind:?}: {}\n{}", head(one), head(other));
    }
    assert!(original == other, "{kind:?}");
}

pub async fn three_kinds_of_databases_hold_the_same() {
    let first = TestServer::on(Arc::new(TestDatabase::of(Kind::Sqlite)), |_| {});
    let contents = Contents::of(&first).await;
    let before = contents.answers(&first).await;
    let folder = tempfile::tempdir().unwrap();
    let export = |database: &TestDatabase, n: usize| {
        let file = folder.path().join(format!("{n}.jsonl"));
        let file = file.to_str().unwrap().to_owned();
        run(database, &["export", &file]);
        file
    };
    let mut file = export(&first.database, 0);
    let original = std::fs::read_to_string(&file).unwrap();
    let mut servers = Vec::new();
    for (n, kind) in [Kind::Mysql, Kind::Postgres, Kind::Sqlite]
        .into_iter()
        .enumerate()
    {
        let database = Arc::new(TestDatabase::of(kind));
        run(&database, &["import", &file]);
        file = export(&database, n + 1);
        same(&original, &std::fs::read_to_string(&file).unwrap(), kind);
        servers.push(TestServer::on(database, |_| {}));
    }
    for server in &servers {
        assert_eq!(contents.answers(server).await, before);
        contents.goes_on(server).await;
    }
}

/// Sends a message with this payment to itself. Returns the code of its refusal.
async fn pay(server: &TestServer, bob: &Arc<Identity>, id: &str, payment: &Value) -> String {
    let client = Brc104::connect_as(&server.http(""), Arc::clone(bob)).await;
    let recipient = bob.identity_key().to_hex();
    let message =
        json!({"recipient": recipient, "messageBox": "paid", "messageId": id, "body": id});
    let body = json!({"message": message, "payment": payment}).to_string();
    client.post("/sendMessage", body).await.code().to_owned()
}

pub async fn what_another_server_has_taken_as_a_payment_pays_nothing_after_a_move() {
    let bob = Arc::new(Identity::random());
    let gift = |key: IdentityKey| Payment::default().to(&anyone(), key, 7).json();
    let [others, ours] = [(); 2].map(|()| gift(bob.identity_key()));
    let first = TestServer::on(Arc::new(TestDatabase::of(Kind::Mysql)), |_| {});
    assert_eq!(pay(&first, &bob, "1", &ours).await, "");
    first.database.run(&format!(
        "INSERT INTO payment_replays (transaction_id) VALUES ('{}')",
        txid(&others)
    ));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive");
    let file = file.to_str().unwrap();
    run(&first.database, &["export", file]);
    for kind in [Kind::Sqlite, Kind::Postgres, Kind::Mysql] {
        let database = Arc::new(TestDatabase::of(kind));
        run(&database, &["import", file]);
        // Where a TypeScript server may read the database, this server records payments for it too.
        let noted = if kind == Kind::Mysql { 2 } else { 1 };
        assert_eq!(database.count("payment_replays"), noted);
        let server = TestServer::on(database, |_| {});
        for payment in [&others, &ours] {
            let code = pay(&server, &bob, "2", payment).await;
            assert_eq!(code, "ERR_PAYMENT_REUSED", "{kind:?}");
        }
        let new = gift(bob.identity_key());
        assert_eq!(pay(&server, &bob, "2", &new).await, "");
    }
}
