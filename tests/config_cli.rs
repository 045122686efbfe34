//! The binary as an operator meets it: flags, exit codes, one-line errors.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use messagebox::config::KEYS;

const KEY: &str = "0000000000000000000000000000000000000000000000000000000000000005";

/// Runs the binary with nothing but these variables, in a folder of its own.
fn run(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_messagebox-server"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn refused(variables: &[(&str, &str)], arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), variables, arguments);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    let message = text(&output.stderr);
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

#[test]
fn a_missing_or_malformed_key_in_production_is_one_line_and_code_2() {
    let message = refused(&[("NODE_ENV", "production")], &[]);
    assert!(
        message.contains("SERVER_PRIVATE_KEY") && message.contains("64 hexadecimal"),
        "{message}"
    );
    let message = refused(
        &[("NODE_ENV", "production"), ("SERVER_PRIVATE_KEY", "xyz")],
        &[],
    );
    assert!(
        message.contains("SERVER_PRIVATE_KEY") && !message.contains("xyz"),
        "{message}"
    );
    let message = refused(&[("NODE_ENV", "production")], &["--check-config"]);
    assert!(message.contains("SERVER_PRIVATE_KEY"), "{message}");
}

#[test]
fn mistakes_are_one_line_and_code_2() {
    let message = refused(&[("PORT", "high")], &[]);
    assert!(
        message.contains("PORT: `server.port`: expected a whole number"),
        "{message}"
    );
    let message = refused(&[], &["--set", "socket.pong=1"]);
    assert!(message.contains("unknown key `socket.pong`"), "{message}");
    let message = refused(&[], &["--set", "rooms.access=closed"]);
    assert!(
        message.contains("`rooms.access`") && message.contains("owner"),
        "{message}"
    );
}

#[test]
fn what_cannot_work_is_said_before_the_server_starts() {
    let message = refused(&[("ROUTE_PRICES", "/sendMesage=5")], &[]);
    assert!(
        message.contains("`prices.routes`") && message.contains("/sendMesage"),
        "{message}"
    );
    let message = refused(&[("ENABLE_FIREBASE", "true")], &[]);
    assert!(message.contains("push.service_account_json"), "{message}");
    let variables = [
        ("ENABLE_FIREBASE", "true"),
        (
            "FIREBASE_SERVICE_ACCOUNT_JSON",
            r#"{"private_key":"hunter2"}"#,
        ),
    ];
    let message = refused(&variables, &[]);
    assert!(
        message.contains("client_email") && !message.contains("hunter2"),
        "{message}"
    );
}

#[test]
fn the_result_is_shown_with_secrets_masked() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [
        ("SERVER_PRIVATE_KEY", KEY),
        ("PORT", "3322"),
        ("DATABASE_URL", "sqlite://hidden.db"),
    ];
    let output = run(
        folder.path(),
        &variables,
        &[
            "--check-config",
            "--port",
            "3323",
            "--set",
            "log.level=warn",
        ],
    );
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        shown.contains("port = 3323") && shown.contains("level = \"warn\""),
        "{shown}"
    );
    assert!(shown.contains("private_key = \"***\""), "{shown}");
    assert!(!shown.contains(KEY) && !shown.contains("hidden"), "{shown}");
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing is made"
    );
}

#[test]
fn help_documents_every_flag_key_and_variable() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &[], &["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = text(&output.stdout);
    for key in KEYS {
        assert!(help.contains(key.path), "{}", key.path);
        for variable in key.variables {
            assert!(help.contains(variable), "{variable}");
        }
    }
    for flag in [
        "--port",
        "--host",
        "--data-dir",
        "--database-url",
        "--set",
        "--check-config",
        "--config-dir",
    ] {
        assert!(help.contains(flag), "{flag}");
    }
}

#[test]
fn a_database_that_cannot_be_used_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("DATABASE_URL", "mysql://user:hunter2@host/messages")];
    let output = run(folder.path(), &variables, &[]);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        message.contains("not in this build") && !message.contains("hunter2"),
        "{message}"
    );
}
