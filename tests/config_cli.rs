//! The binary as an operator meets it: flags, exit codes, one-line errors.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use messagebox::config::KEYS;

const KEY: &str = "0000000000000000000000000000000000000000000000000000000000000005";

/// Runs the binary in its own folder with only these variables.
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
fn manual_and_completions_need_no_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let programs = [
        (
            "messagebox-server",
            env!("CARGO_BIN_EXE_messagebox-server"),
            "SERVER_PRIVATE_KEY",
            "migrate",
        ),
        (
            "messagebox-loadtest",
            env!("CARGO_BIN_EXE_messagebox-loadtest"),
            "Scenarios",
            "fanout",
        ),
    ];
    for (name, program, of_help, subcommand) in programs {
        let print = |arguments: &[&str]| {
            let output = Command::new(program)
                .args(arguments)
                .current_dir(folder.path())
                .env_clear()
                .env("NODE_ENV", "production")
                .output()
                .unwrap();
            assert!(output.status.success(), "{name} {arguments:?}: {output:?}");
            text(&output.stdout)
        };
        let manual = print(&["man"]);
        for part in [&format!(".TH {name} 1"), of_help, subcommand] {
            assert!(manual.contains(part), "{name}: {part}");
        }
        assert!(
            print(&["man", subcommand]).contains(".SH SYNOPSIS"),
            "{name}"
        );
        for shell in ["bash", "zsh", "fish"] {
            assert!(
                print(&["completions", shell]).contains(subcommand),
                "{name}: {shell}"
            );
        }
    }
}

#[test]
fn mistakes_are_one_line_and_code_2() {
    let message = refused(&[("PORT", "high")], &[]);
    assert!(
        message.contains("PORT: `server.port`: expected a whole number"),
        "{message}"
    );
    let message = refused(&[("MAX_HEADERS", "97")], &["--check-config"]);
    assert!(
        message.contains("MAX_HEADERS: `server.max_headers`: expected at most 96"),
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
fn a_secret_that_could_be_guessed_keeps_the_server_from_starting() {
    for (variable, key) in [
        ("MIGRATE_KEY", "migrate_key"),
        ("ADMIN_TOKEN", "admin.token"),
    ] {
        let message = refused(&[(variable, "fifteen letters")], &[]);
        let says = message.contains(key) && message.contains("at least 16 characters");
        assert!(says && !message.contains("fifteen"), "{message}");
    }
}

#[test]
fn settings_that_cannot_work_prevent_the_start() {
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
    for line in [
        "port = 3323 # flag for server.port",
        "private_key = \"***\" # SERVER_PRIVATE_KEY",
        "url = \"sqlite://hidden.db\" # DATABASE_URL",
        "workers = 0 # default",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert!(shown.parse::<toml::Table>().is_ok(), "{shown}");
    assert!(!shown.contains(KEY), "{shown}");
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "a file was created"
    );
}

/// `--check-config` finds every mistake that keeps the server from starting.
#[test]
fn misconfiguration_does_not_start_and_check_config_finds_it() {
    let production = ("NODE_ENV", "production");
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("DB_DRIVER", "mysql")], "DB_SOURCE"),
        (&[("WALLET_URL", "foo")], "`wallet.url`"),
        (
            &[("HOSTING_DOMAIN", "not a url")],
            "`server.hosting_domain`",
        ),
        (&[("NETWORK", "moonnet")], "`wallet.network`"),
        (&[("PING_INTERVAL", "0")], "`socket.ping_interval`"),
        (&[("MAX_RECIPENTS", "5")], "MAX_RECIPIENTS"),
        (&[("RUST_LOG", "inof")], "`log.level`"),
        (&[("DATABASE_URL", "oracle://h/d")], "database url"),
        (&[("REDIS_URL", "http://h")], "REDIS_URL"),
        (&[("ADMIN_IDENTITIES", "02ab")], "`admin.identities`"),
        (&[("ADMIN_TOKEN", "short")], "`admin.token`"),
        (&[("ROUTE_PRICES", "/nothing=1")], "`prices.routes`"),
        (&[("ENABLE_FIREBASE", "true")], "push.service_account_json"),
        (
            &[("FIREBASE_SERVICE_ACCOUNT_JSON", "{}")],
            "service account",
        ),
        (&[("AUTH_CERTIFIERS", "02ab")], "certifiers"),
        (&[production], "SERVER_PRIVATE_KEY"),
    ];
    for (variables, part) in cases {
        for arguments in [&[][..], &["--check-config"]] {
            let message = refused(variables, arguments);
            assert!(message.contains(part), "{variables:?}: {message}");
        }
    }
}

#[test]
fn a_server_that_may_not_migrate_refuses_tables_of_an_earlier_release() {
    let variables = [
        ("DB_MIGRATE_ON_START", "false"),
        ("DATABASE_URL", "sqlite://none.db"),
    ];
    for arguments in [&[][..], &["--check-config"]] {
        let message = refused(&variables, arguments);
        assert!(message.contains("messagebox-server migrate"), "{message}");
    }
}

#[test]
fn check_config_warns_of_doubtful_settings_that_do_not_prevent_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [
        ("UNLIMITED_ADDRESSES", ""),
        ("AUTH_RESUME", "true"),
        ("RUST_LOG", "messagbox=debug"),
        ("ADVERTISE_HOST", "true"),
        ("FIREBASE_PROJECT_ID", "p"),
    ];
    let output = run(folder.path(), &variables, &["--check-config"]);
    assert_eq!(output.status.code(), Some(0));
    let warnings = text(&output.stderr);
    assert_eq!(warnings.lines().count(), variables.len(), "{warnings}");
    for word in [
        "UNLIMITED_ADDRESSES=none",
        "AUTH_RESUME",
        "messagbox",
        "HOSTING_DOMAIN",
        "FIREBASE_PROJECT_ID",
    ] {
        assert!(warnings.contains(word), "{word}: {warnings}");
    }
}

#[test]
fn a_file_of_variables_is_below_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("files")).unwrap();
    let other = folder.path().join("files/default.toml");
    std::fs::write(other, "[server]\nworkers = 7\n").unwrap();
    let file = "PORT=1111\nWALLET_URL=http://u:hunter2@wallet.example/\nCONFIG_DIR=files\n";
    std::fs::write(folder.path().join(".env"), file).unwrap();
    let output = run(folder.path(), &[("PORT", "2222")], &["--check-config"]);
    let shown = text(&output.stdout);
    for line in [
        "port = 2222 # PORT\n",
        "url = \"http://u:***@wallet.example/\" # WALLET_URL in .env",
        "workers = 7 # files/default.toml",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    std::fs::write(folder.path().join(".env"), "PORT=hunter 2\n").unwrap();
    let output = run(folder.path(), &[], &[]);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(
        message.contains(".env: ") && !message.contains("hunter"),
        "{message}"
    );
}

#[test]
fn the_short_help_is_short() {
    let folder = tempfile::tempdir().unwrap();
    let help = text(&run(folder.path(), &[], &["-h"]).stdout);
    assert!(help.lines().count() < 60, "{help}");
    assert!(
        help.contains("--help") && !help.contains("socket.pace"),
        "{help}"
    );
    let help = text(&run(folder.path(), &[], &["--help"]).stdout);
    assert!(help.contains("socket.ping_interval [env: PING_INTERVAL] [default: \"25s\"]"));
}

#[test]
fn help_documents_every_flag_key_and_variable() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &[], &["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = text(&output.stdout);
    for key in KEYS.iter() {
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
    for (url, is_here) in [
        (
            "mysql://user:hunter2@127.0.0.1:1/messages",
            cfg!(feature = "mysql"),
        ),
        (
            "postgres://user:hunter2@127.0.0.1:1/messages",
            cfg!(feature = "postgres"),
        ),
    ] {
        let output = run(folder.path(), &[("DATABASE_URL", url)], &[]);
        let message = text(&output.stderr);
        let (code, expected) = if is_here {
            (1, "cannot open the database")
        } else {
            (2, "not in this build")
        };
        assert_eq!(output.status.code(), Some(code), "{message}");
        assert!(
            message.contains(expected) && !message.contains("hunter2"),
            "{message}"
        );
    }
}

#[test]
fn migrate_prints_its_plan_and_then_runs_it() {
    let folder = tempfile::tempdir().unwrap();
    let migrate = |arguments: &[&str]| {
        let arguments = [&["migrate", "--database-url", "sqlite://new.db"], arguments].concat();
        let output = run(folder.path(), &[], &arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let file = folder.path().join("new.db");
    let planned = migrate(&["--dry-run"]);
    assert!(planned.contains(r#"CREATE TABLE "messages""#), "{planned}");
    assert!(!file.exists());
    let done = migrate(&[]);
    assert!(
        done.contains("applied 2026-11-20-000001_create_tables"),
        "{done}"
    );
    assert!(file.exists());
    let planned = migrate(&["--dry-run"]);
    assert!(
        planned.contains(": 0 migrations to apply") && !planned.contains("CREATE"),
        "{planned}"
    );
}

/// Expects exit code 1 and one line beside the log, which gives the error and what to do.
fn fails(folder: &Path, variables: &[(&str, &str)], expected: &[&str]) {
    let quiet = [("RUST_LOG", "off"), ("HOST", "127.0.0.1"), ("PORT", "0")];
    let all = [&quiet[..], variables].concat();
    let output = run(folder, &all, &[]);
    let message = text(&output.stderr);
    assert!(matches!(output.status.code(), Some(1 | 2)), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    for expected in expected {
        assert!(message.contains(expected), "{expected}: {message}");
    }
}

#[test]
fn errors_that_an_operator_can_fix_say_how() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    fails(
        here,
        &[("PORT", &port)],
        &["cannot listen on", "another PORT"],
    );
    fails(here, &[("HOST", "192.0.2.1")], &["192.0.2.1", "set HOST"]);
    let key = ("SERVER_PRIVATE_KEY", KEY);
    fails(
        here,
        &[("DATA_DIR", "/proc/none")],
        &["/proc/none/server.key", "DATA_DIR", "SERVER_PRIVATE_KEY"],
    );
    fails(
        here,
        &[("DATA_DIR", "/proc/none"), key],
        &["cannot open the database", "DATA_DIR"],
    );
    std::fs::write(here.join("file"), "no database at all").unwrap();
    let file = here.join("file").display().to_string();
    fails(
        here,
        &[("DATABASE_URL", &file), key],
        &["not a database", "DATABASE_URL"],
    );
    let inside = format!("{file}/x.db");
    fails(
        here,
        &[("DATABASE_URL", &inside), key],
        &["cannot open the database", "folder"],
    );
    std::fs::write(here.join("server.key"), "nonsense").unwrap();
    let data = here.display().to_string();
    fails(
        here,
        &[("DATA_DIR", &data)],
        &["server.key", "64 hexadecimal"],
    );
}
