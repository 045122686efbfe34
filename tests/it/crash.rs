//! SIGKILL under load: every acknowledged message is there after the restart, once and in order.

use std::sync::Arc;
use std::time::Duration;

use messagebox::auth::Identity;

use crate::support::database::TestDatabase;
use crate::support::senders;
use crate::support::server::{ServerProcess, free_address};

const SENDERS: usize = 4;

/// The default number of rounds. `CRASH_ROUNDS` sets another.
const ROUNDS: usize = 50;

/// The life of a server in milliseconds: from before its first ack to full load.
const LIFE: std::ops::Range<u64> = 50..450;

#[actix_web::test]
async fn nothing_acknowledged_is_lost() {
    let rounds = std::env::var("CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::create();
    let address = free_address();
    let bob = Arc::new(Identity::random());
    let mut sent = Vec::new();
    let url = [("DATABASE_URL", database.url())];
    for round in 0..rounds {
        let server = ServerProcess::with(address, folder.path(), &url, None);
        let senders = senders::start(SENDERS, round, address, bob.identity_key(), &None);
        tokio::time::sleep(Duration::from_millis(rand::random_range(LIFE))).await;
        server.kill();
        for sender in senders {
            sent.push(sender.await.unwrap());
        }
    }
    let total: usize = sent
        .iter()
        .map(|sent| senders::acknowledged(sent).count())
        .sum();
    assert!(total > rounds, "only {total} messages were acknowledged");
    let server = ServerProcess::with(address, folder.path(), &url, None);
    senders::assert_kept(address, bob, &sent).await;
    drop(server);
}
