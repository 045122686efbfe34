//! What the tests drive servers with.

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

/// Longer than anything here takes, even on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `future`, but not for ever.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} took longer than {PATIENCE:?}"))
}

/// Sends a signal, such as `TERM`, to a process. The shell has `kill` built in; the program is not on every machine.
pub fn signal(process: u32, name: &str) {
    let script = format!("kill -s {name} {process}");
    let sent = std::process::Command::new("sh")
        .args(["-c", &script])
        .status();
    assert!(sent.unwrap().success());
}

/// Waits until `condition` holds; for state that tells nobody when it changes.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what} did not come to be");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until `condition` holds, which takes asking.
pub async fn eventually_async(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < PATIENCE, "{what} did not come to be");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
