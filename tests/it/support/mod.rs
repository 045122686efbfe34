//! Clients, servers and helpers of the tests.

pub mod admin;
pub mod authsocket;
pub mod brc104;
pub mod command;
pub mod contents;
#[expect(dead_code, reason = "the store's own tests use the rest of it")]
pub mod database;
pub mod database_file;
pub mod documents;
pub mod echo;
pub mod exposition;
pub mod minting;
pub mod payer;
pub mod polling;
pub mod raw_http;
pub mod raw_member;
pub mod remote;
pub mod senders;
pub mod server;
pub mod services;
pub mod tls;
pub mod websocket;

use std::future::Future;
use std::time::{Duration, Instant};

/// Longer than any step of a test takes, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `future` for at most [`PATIENCE`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} took longer than {PATIENCE:?}"))
}

/// Sends a signal, such as `TERM`, to a process. `kill` is built into the shell, and not every machine has the program.
pub fn signal(process: u32, name: &str) {
    let script = format!("kill -s {name} {process}");
    let sent = std::process::Command::new("sh")
        .args(["-c", &script])
        .status();
    assert!(sent.unwrap().success());
}

/// Polls until `condition` holds, for state that announces no change.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "timed out waiting for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Polls until `condition` holds, for conditions that need a request.
pub async fn eventually_async(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < PATIENCE, "timed out waiting for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
