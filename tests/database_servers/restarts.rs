//! A database that is killed and comes back. Acknowledged messages are there, and the server recovers by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use messagebox::auth::Identity;
use serde_json::json;

use crate::own_server::{Make, OwnServer};
use crate::support::PATIENCE;
use crate::support::brc104::Brc104;
use crate::support::senders::{self, Attempt};
use crate::support::server::TestServer;

async fn survives(make: Make) {
    let mut database = OwnServer::start(make, &[]);
    let url = database.url();
    let server = TestServer::with(|settings| {
        settings.database.url = Some(messagebox::config::Secret::new(url));
        settings.database.busy_timeout = Duration::from_secs(1);
    });
    let bob = Arc::new(Identity::random());
    let recipient = bob.identity_key();
    let mut sent = Vec::new();
    for round in 0..2 {
        let stop = Arc::new(AtomicBool::new(false));
        let until = Some(Arc::clone(&stop));
        let senders = senders::start(4, round, server.address, recipient, &until);
        tokio::time::sleep(Duration::from_millis(700)).await;
        // This blocks the thread for a moment. The server has its own threads, and the senders continue afterwards.
        database.kill();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let started = tokio::task::spawn_blocking(move || {
            database.start_again();
            database
        });
        database = started.await.unwrap();
        // The same server stores again, by itself.
        let client = Brc104::connect(&server.http("")).await;
        let start = Instant::now();
        let id = format!("after {round}");
        let message = json!({"recipient": recipient.to_hex(), "messageBox": "inbox", "messageId": id, "body": "b"});
        let message = json!({ "message": message }).to_string();
        while client.post("/sendMessage", message.as_str()).await.status != 200 {
            assert!(
                start.elapsed() < PATIENCE,
                "nothing is stored after the restart"
            );
        }
        let acknowledged = true;
        sent.push(vec![Attempt { id, acknowledged }]);
        stop.store(true, Ordering::Release);
        // Not every send fails: the database returned in time for some.
        let mut missed = false;
        for sender in senders {
            let own = sender.await.unwrap();
            missed |= own.iter().any(|attempt| !attempt.acknowledged);
            sent.push(own);
        }
        assert!(missed, "every send succeeded while the database was down");
    }
    let total: usize = sent
        .iter()
        .map(|sent| senders::acknowledged(sent).count())
        .sum();
    assert!(total > 20, "only {total} were acknowledged");
    senders::assert_kept(server.address, bob, &sent).await;
}

pub async fn a_mariadb_that_is_killed_takes_nothing_along() {
    survives(Make::MariaDb).await;
}

pub async fn a_postgresql_that_is_killed_takes_nothing_along() {
    survives(Make::Postgres).await;
}
