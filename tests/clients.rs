//! Runs the groups of `tests/clients/run`: the newest generation's rules and flows, and the published clients of others.
#![expect(
    clippy::print_stdout,
    clippy::panic,
    reason = "a test shows what it ran"
)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// One at a time: they measure times.
static RUNNING: Mutex<()> = Mutex::new(());

fn run(arguments: &[&str]) {
    let _running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(root.join("tests/clients/run"));
    command
        .args(arguments)
        .env("MESSAGEBOX_SERVER", env!("CARGO_BIN_EXE_messagebox-server"))
        .stdin(Stdio::null());
    println!("{command:?}");
    let status = command
        .status()
        .unwrap_or_else(|error| panic!("{command:?} could not be run: {error}"));
    assert!(status.success(), "{arguments:?} failed: {status}");
}

/// Needs Node 20.14 with npm.
#[test]
fn each_rule_of_the_newest_clients_refuses_a_bad_input_and_takes_a_good_one() {
    run(&["rules"]);
}

/// Needs Node 20.14 with npm, redis-server, nginx and haproxy.
#[test]
fn the_newest_generation_is_served() {
    run(&["newest"]);
}

/// Needs Node 20.14 with npm.
#[test]
fn an_old_line_of_the_npm_clients_is_served() {
    run(&["npm", "1.4"]);
}

/// Needs Python 3 with venv and pip.
#[test]
fn the_python_client_is_served() {
    run(&["python"]);
}

/// Needs pkg-config and OpenSSL's headers.
#[test]
fn the_rust_client_is_served() {
    run(&["rust"]);
}
