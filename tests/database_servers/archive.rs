//! What a server keeps goes from database to database, and comes back as it was.

use std::process::{Command, Output};
use std::sync::Arc;

use crate::support::contents::Contents;
use crate::support::database::{Kind, TestDatabase};
use crate::support::server::TestServer;

/// Runs the binary on this database; it must work.
pub fn run(database: &TestDatabase, arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_messagebox-server"))
        .env_clear()
        .env("DATABASE_URL", database.url())
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
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
    let told = contents.told(&first).await;
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
        assert_eq!(contents.told(server).await, told);
        contents.goes_on(server).await;
    }
}
