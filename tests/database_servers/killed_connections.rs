//! Connections that end in each phase of a transaction: no acknowledged message is lost, and none is stored twice.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use messagebox::auth::Identity;
use messagebox::config::Secret;
use serde_json::json;

use crate::cutting_proxy::{Cut, CuttingProxy};
use crate::own_server::{Make, OwnServer};
use crate::support::brc104::Brc104;
use crate::support::eventually;
use crate::support::senders;
use crate::support::server::TestServer;

/// Rounds for each phase.
const ROUNDS: usize = 3;

async fn each_phase(make: Make) {
    let database = OwnServer::start(make, &[]);
    let proxy = CuttingProxy::to(database.address());
    let (direct, cut) = (database.address().to_string(), proxy.address.to_string());
    let url = database.url().replace(&direct, &cut);
    let server = TestServer::with(|settings| settings.database.url = Some(Secret::new(url)));
    let client = Brc104::connect(&server.http("")).await;
    let recipient = client.identity.identity_key().to_hex();
    let mut sent = HashSet::new();
    let mut cuts = 0;
    for round in 0..ROUNDS {
        for phase in [Cut::Begin, Cut::Work, Cut::Commit, Cut::Answer] {
            let id = format!("{phase:?} {round}");
            let message =
                json!({"recipient": recipient, "messageBox": "inbox", "messageId": id, "body": id});
            let message = json!({ "message": message }).to_string();
            proxy.arm(phase);
            let status = client.post("/sendMessage", message.as_str()).await.status;
            cuts += 1;
            eventually("the cut", || proxy.cuts() == cuts).await;
            // Before the commit, the server repeats the whole transaction by itself. After it, the outcome is unknown.
            let expected = if matches!(phase, Cut::Begin | Cut::Work) {
                200
            } else {
                500
            };
            assert_eq!(status, expected, "{id}");
            if status == 500 {
                let stored = database.texts("SELECT 'x' AS value FROM messages").len();
                let was_committed = usize::from(phase == Cut::Answer);
                assert_eq!(stored, sent.len() + was_committed, "{id}");
                let again = client.post("/sendMessage", message.as_str()).await;
                assert_eq!(again.status, 200, "{id}");
            }
            sent.insert(id);
        }
    }
    let listed = client
        .post("/listMessages", r#"{"messageBox":"inbox"}"#)
        .await;
    let listed = listed.json["messages"].as_array().unwrap().iter();
    let listed: Vec<&str> = listed.map(|it| it["messageId"].as_str().unwrap()).collect();
    assert_eq!(listed.len(), sent.len(), "{listed:?}");
    assert!(listed.iter().all(|id| sent.contains(*id)));
}

pub async fn a_connection_to_mariadb_may_be_cut_in_each_phase() {
    each_phase(Make::MariaDb).await;
}

pub async fn a_connection_to_postgresql_may_be_cut_in_each_phase() {
    each_phase(Make::Postgres).await;
}

/// A connection that answers but can end no transaction is closed. Otherwise later writes on it would never be
/// committed.
pub async fn a_connection_to_mariadb_that_ends_no_transaction_is_closed() {
    let database = OwnServer::start(Make::MariaDb, &[]);
    let proxy = CuttingProxy::to(database.address());
    let (direct, cut) = (database.address().to_string(), proxy.address.to_string());
    let url = database.url().replace(&direct, &cut);
    let server = TestServer::with(|settings| {
        settings.database.url = Some(Secret::new(url));
        // Recounts would commit too.
        settings.messages.max_inbox_messages = 0;
        settings.messages.max_inbox_bytes = 0;
        settings.messages.max_sender_messages = 0;
        settings.messages.max_sender_bytes = 0;
    });
    let client = Brc104::connect(&server.http("")).await;
    let recipient = client.identity.identity_key().to_hex();
    let message = |id: usize| {
        let message = json!({"recipient": recipient, "messageBox": "inbox", "messageId": id.to_string(), "body": "b"});
        json!({ "message": message }).to_string()
    };
    proxy.arm(Cut::Refusal);
    // The proxy does not recognize every end of a transaction, and may refuse one of another writer.
    let (mut sent, mut acknowledged) = (0, 0);
    while proxy.cuts() == 0 {
        assert!(sent < 200, "no transaction was refused");
        let status = client.post("/sendMessage", message(sent)).await.status;
        assert!(matches!(status, 200 | 500), "{status}");
        sent += 1;
        acknowledged += usize::from(status == 200);
        if status == 500 {
            eventually("the connection to be closed", || proxy.cuts() == 1).await;
        }
    }
    let stored = || database.texts("SELECT 'x' AS value FROM messages").len();
    assert_eq!(stored(), acknowledged);
    let again = client.post("/sendMessage", message(sent)).await;
    assert_eq!((again.status, stored()), (200, acknowledged + 1));
}

/// The database ends all connections again and again under load.
async fn at_any_time(make: Make) {
    let database = OwnServer::start(make, &[]);
    let url = database.url();
    let server = TestServer::with(|settings| settings.database.url = Some(Secret::new(url)));
    let recipient = Arc::new(Identity::random());
    let stop = Arc::new(AtomicBool::new(false));
    let until = Some(Arc::clone(&stop));
    let running = senders::start(4, 0, server.address, recipient.identity_key(), &until);
    let cutting = tokio::task::spawn_blocking(move || {
        let mut cut = 0;
        for round in 0..60_u64 {
            cut += database.cut();
            // At another point of the transactions each time.
            std::thread::sleep(Duration::from_millis(40 + round % 7));
        }
        (cut, database)
    });
    let (cut, _database) = cutting.await.unwrap();
    assert!(cut > 20, "only {cut} connections were cut");
    stop.store(true, Ordering::Release);
    let mut sent = Vec::new();
    for sender in running {
        sent.push(sender.await.unwrap());
    }
    let total: usize = sent
        .iter()
        .map(|sent| senders::acknowledged(sent).count())
        .sum();
    assert!(total > 20, "only {total} were acknowledged");
    senders::assert_kept(server.address, recipient, &sent).await;
}

pub async fn connections_to_mariadb_may_be_cut_at_any_time() {
    at_any_time(Make::MariaDb).await;
}

pub async fn connections_to_postgresql_may_be_cut_at_any_time() {
    at_any_time(Make::Postgres).await;
}
