//! Runs the scenarios of `tests/interop` with the published npm clients against the real binary.
#![expect(
    clippy::print_stdout,
    clippy::panic,
    reason = "a test shows what it ran"
)]

use std::path::Path;
use std::process::{Command, Stdio};

fn run(command: &mut Command, what: &str) {
    println!("{command:?}");
    let status = command.stdin(Stdio::null()).status().unwrap_or_else(|error| {
        panic!("{what} could not be run: {error}. Node 20 with npm is needed for the interop tests.")
    });
    assert!(status.success(), "{what} failed: {status}");
}

#[test]
fn the_published_clients_work_unmodified() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
    let modified = |path: &str| {
        std::fs::metadata(folder.join(path))
            .and_then(|meta| meta.modified())
            .ok()
    };
    // npm writes this file at the end of a complete installation.
    let installed = modified("node_modules/.package-lock.json");
    if installed.is_none() || installed < modified("package-lock.json") {
        let install = || {
            let mut npm = Command::new("npm");
            npm.args(["ci", "--prefer-offline", "--fetch-retries=5"]);
            npm.current_dir(&folder);
            npm
        };
        // A network that fails it once may not the second time.
        let installed = install().stdin(Stdio::null()).status();
        if !installed.is_ok_and(|status| status.success()) {
            run(&mut install(), "npm ci");
        }
    }
    let mut scenarios: Vec<_> = std::fs::read_dir(folder.join("scenarios"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    scenarios.sort();
    assert!(!scenarios.is_empty(), "there are no scenarios");
    run(
        Command::new("node")
            .args([
                "--test",
                "--test-concurrency=1",
                "--test-timeout=120000",
                "--test-reporter=spec",
                // A client that was cut off goes on reconnecting; nobody can tell it to stop.
                "--test-force-exit",
            ])
            .args(scenarios)
            .env("MESSAGEBOX_SERVER", env!("CARGO_BIN_EXE_messagebox-server"))
            .env("MESSAGEBOX_COMMAND", env!("CARGO_BIN_EXE_messagebox"))
            .current_dir(&folder),
        "the scenarios",
    );
}
