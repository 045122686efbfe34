//! `messagebox-server export` and `import`, and the answers of a server on imported data.

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

/// Expects success and returns the output.
fn works(database: &TestDatabase, arguments: &[&str]) -> String {
    let output = run(database, arguments);
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed}");
    printed
}

/// Expects a failure and returns its one line.
fn fails(database: &TestDatabase, arguments: &[&str]) -> String {
    let output = run(database, arguments);
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert_eq!(printed.lines().count(), 1, "{printed}");
    printed
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[actix_web::test]
async fn a_server_continues_on_imported_data() {
    let old = TestServer::start();
    let contents = Contents::of(&old).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive.jsonl");
    // While the server runs.
    let printed = works(&old.database, &["export", text(&file)]);
    assert!(
        printed.contains("3 boxes") && printed.contains("2 payments"),
        "{printed}"
    );
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let database = Arc::new(TestDatabase::create());
    let imported = works(&database, &["import", text(&file)]);
    assert_eq!(imported.replace("imported", "exported"), printed);
    let again = run(&database, &["export"]);
    assert!(
        again.stdout == fs::read(&file).unwrap(),
        "the archives differ"
    );

    let new = TestServer::on(database, |_| {});
    assert_eq!(contents.answers(&new).await, contents.answers(&old).await);
    contents.goes_on(&new).await;
}

#[actix_web::test]
async fn an_export_can_be_piped_into_an_import() {
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
async fn imports_and_exports_overwrite_nothing_and_leave_nothing_unfinished() {
    let old = TestServer::start();
    Contents::of(&old).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive.jsonl");
    works(&old.database, &["export", text(&file)]);
    let whole = fs::read(&file).unwrap();

    let printed = fails(&old.database, &["export", text(&file)]);
    assert!(printed.contains("not overwrite"), "{printed}");
    let printed = fails(&old.database, &["import", text(&file)]);
    assert!(printed.contains("messageBox has rows"), "{printed}");
    assert_eq!(fs::read(&file).unwrap(), whole);

    // The last line is missing, then a row, then the file is something else.
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
        let printed = fails(&database, &["import", text(&bad)]);
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    // The failed imports left the database as good as new.
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
    let printed = fails(&database, &["import", text(&file)]);
    assert!(printed.contains("server_fees has rows"), "{printed}");
    assert_eq!(database.count("server_fees"), 3);
}

#[test]
fn a_missing_or_outdated_database_is_not_exported() {
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
        let printed = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && printed.contains(expected),
            "{printed}"
        );
        assert!(!file.exists(), "a file was left behind");
        fs::write(&missing, "").unwrap();
    }
}
