//! `messagebox-server export` and `import`, and what a server answers that goes on with what was imported.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use crate::support::contents::Contents;
use crate::support::database::TestDatabase;
use crate::support::server::TestServer;

fn command(database: &TestDatabase, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_messagebox-server"));
    command
        .env_clear()
        .env("DATABASE_URL", database.url())
        .args(arguments);
    command
}

fn run(database: &TestDatabase, arguments: &[&str]) -> Output {
    command(database, arguments).output().unwrap()
}

/// What it says when it has worked.
fn works(database: &TestDatabase, arguments: &[&str]) -> String {
    let output = run(database, arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    said
}

/// The one line that it says when it has not.
fn fails(database: &TestDatabase, arguments: &[&str]) -> String {
    let output = run(database, arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[actix_web::test]
async fn a_server_goes_on_with_what_was_imported() {
    let old = TestServer::start();
    let contents = Contents::of(&old).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive.jsonl");
    // While the server runs.
    let said = works(&old.database, &["export", text(&file)]);
    assert!(
        said.contains("3 boxes") && said.contains("2 payments"),
        "{said}"
    );
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let database = Arc::new(TestDatabase::create());
    let imported = works(&database, &["import", text(&file)]);
    assert_eq!(imported.replace("imported", "exported"), said);
    let again = run(&database, &["export"]);
    assert!(
        again.stdout == fs::read(&file).unwrap(),
        "the archives differ"
    );

    let new = TestServer::on(database, |_| {});
    assert_eq!(contents.told(&new).await, contents.told(&old).await);
    contents.goes_on(&new).await;
}

#[actix_web::test]
async fn one_command_may_read_what_the_other_writes() {
    let old = TestServer::start();
    Contents::of(&old).await;
    let database = TestDatabase::create();
    let mut export = command(&old.database, &["export"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let archive = export.stdout.take().unwrap();
    let import = command(&database, &["import"])
        .stdin(archive)
        .output()
        .unwrap();
    assert!(export.wait().unwrap().success());
    assert!(import.status.success(), "{import:?}");
    assert!(run(&database, &["export"]).stdout == run(&old.database, &["export"]).stdout);
}

#[actix_web::test]
async fn nothing_is_mixed_overwritten_or_left_half_done() {
    let old = TestServer::start();
    Contents::of(&old).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive.jsonl");
    works(&old.database, &["export", text(&file)]);
    let whole = fs::read(&file).unwrap();

    let said = fails(&old.database, &["export", text(&file)]);
    assert!(said.contains("not overwritten"), "{said}");
    let said = fails(&old.database, &["import", text(&file)]);
    assert!(said.contains("messageBox has rows"), "{said}");
    assert_eq!(fs::read(&file).unwrap(), whole);

    // The last line is missing; then a row is; then it is something else.
    let database = TestDatabase::create();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let but_last = lines[..lines.len() - 1].concat();
    let but_one = [&lines[..lines.len() - 2], &lines[lines.len() - 1..]]
        .concat()
        .concat();
    let twice = [&whole[..], &whole[..]].concat();
    for (bytes, expected) in [
        (&but_last[..], "truncated"),
        (&whole[..whole.len() - 1], "truncated"),
        (&but_one, "does not match its checksum"),
        (&twice, "does not match its checksum"),
        (b"id,body\n1,hello\n", "not an archive"),
        (b"", "not an archive"),
        (&[0; 9_999], "not an archive"),
        (
            b"{\"messagebox_archive\":{\"format\":2,\"schema\":1}}\n",
            "format 2.1",
        ),
    ] {
        let bad = folder.path().join("bad");
        fs::write(&bad, bytes).unwrap();
        let said = fails(&database, &["import", text(&bad)]);
        assert!(said.contains(expected), "{expected}: {said}");
    }
    // After all that the database is as good as new.
    works(&database, &["import", text(&file)]);
    assert!(run(&database, &["export"]).stdout == whole);
}

#[actix_web::test]
async fn fees_that_an_operator_has_set_are_not_overwritten() {
    let old = TestServer::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive.jsonl");
    works(&old.database, &["export", text(&file)]);
    let database = TestDatabase::create();
    works(&database, &["migrate"]);
    database.run(r#"UPDATE "server_fees" SET "delivery_fee" = 12 WHERE "message_box" = 'inbox'"#);
    let said = fails(&database, &["import", text(&file)]);
    assert!(said.contains("server_fees has rows"), "{said}");
    assert_eq!(database.count("server_fees"), 3);
}

#[test]
fn what_is_not_there_or_not_up_to_date_is_not_exported() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive.jsonl");
    let missing = folder.path().join("none.db");
    let export = |database: &Path| {
        Command::new(env!("CARGO_BIN_EXE_messagebox-server"))
            .env_clear()
            .env("DATABASE_URL", database)
            .args(["export", text(&file)])
            .output()
            .unwrap()
    };
    for expected in ["there is no database", "pending migrations"] {
        let output = export(&missing);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && said.contains(expected),
            "{said}"
        );
        assert!(!file.exists(), "a file was left behind");
        fs::write(&missing, "").unwrap();
    }
}
