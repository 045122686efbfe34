//! Runs the scenarios of `tests/interop`: the published npm clients against the real binary. Each file is a test.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::need::{self, BALANCER, CHROMIUM, NODE, Need, REDIS, ROOT};
use crate::test::Test;

/// Scenarios run one at a time, because some measure times.
pub static RUNNING: Mutex<()> = Mutex::new(());

fn run(command: &mut Command, what: &str) {
    println!("{command:?}");
    let status = command.stdin(Stdio::null()).status();
    let status = status.unwrap_or_else(|error| panic!("{what} could not be run: {error}"));
    assert!(status.success(), "{what} failed: {status}");
}

/// Installs the npm packages where they are missing or outdated.
fn install() {
    if need::has_packages() {
        return;
    }
    let npm = || {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--prefer-offline", "--fetch-retries=5"]);
        npm.current_dir(need::interop()).stdin(Stdio::null());
        npm
    };
    // The network may fail once.
    if !npm().status().is_ok_and(|status| status.success()) {
        run(&mut npm(), "npm ci");
    }
}

fn scenario(file: PathBuf) {
    let _running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    install();
    run(
        Command::new("node")
            .args([
                "--test",
                "--test-timeout=120000",
                "--test-reporter=spec",
                // A client that was cut off keeps reconnecting, and has no way to stop.
                "--test-force-exit",
            ])
            .arg(file)
            .env("MESSAGEBOX_SERVER", env!("CARGO_BIN_EXE_messagebox-server"))
            .env("MESSAGEBOX_COMMAND", env!("CARGO_BIN_EXE_messagebox"))
            .current_dir(need::interop()),
        "the scenario",
    );
}

/// The needs of a whole file. Tests with further needs skip themselves (`tests/interop/support/needs.mjs`).
fn needs(name: &str) -> &'static [Need] {
    match name {
        "balancers" => &[NODE, REDIS, BALANCER],
        "dashboard" => &[NODE, CHROMIUM],
        "health" => &[NODE, CHROMIUM, REDIS, ROOT],
        _ => &[NODE],
    }
}

pub fn tests() -> Vec<Test> {
    let folder = std::fs::read_dir(need::interop().join("scenarios")).unwrap();
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "there are no scenarios");
    let tests = files.into_iter().map(|file| {
        let name = file.file_name().unwrap().to_str().unwrap();
        let name = name.trim_end_matches(".test.mjs").to_owned();
        Test::new(&format!("interop::{name}"), needs(&name), || scenario(file))
    });
    tests.collect()
}
