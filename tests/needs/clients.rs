//! Runs the groups of `tests/clients/run`: the newest generation's rules and flows, and the published clients of
//! others.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::PoisonError;

use crate::interop::RUNNING;
use crate::need::{BALANCER, NODE, Need, OPENSSL, PYTHON, REDIS};
use crate::test::Test;

/// Scenarios measure times, so no other group or file of scenarios runs at the same time.
fn run(group: &str) {
    let _running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(root.join("tests/clients/run"));
    command
        .args(group.split(' '))
        .env("MESSAGEBOX_SERVER", env!("CARGO_BIN_EXE_messagebox-server"))
        .stdin(Stdio::null());
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?} failed: {status}");
}

pub fn tests() -> Vec<Test> {
    let groups: [(&str, &str, &[Need]); 5] = [
        ("rules", "rules", &[NODE]),
        ("newest", "newest", &[NODE, REDIS, BALANCER]),
        ("npm", "npm 1.4", &[NODE]),
        ("python", "python", &[PYTHON]),
        ("rust", "rust", &[OPENSSL]),
    ];
    let tests = groups.into_iter().map(|(name, group, needs)| {
        Test::new(&format!("clients::{name}"), needs, move || run(group))
    });
    tests.collect()
}
