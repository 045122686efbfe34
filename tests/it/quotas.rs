//! Quotas of stored messages, as clients see them.

use std::time::Duration;

use messagebox::config::{Lifetime, Settings};
use serde_json::{Value, json};

use crate::fees::{bodies, connect, key, send};
use crate::support::admin::ask_with;
use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::{Answer, Brc104};
use crate::support::eventually_async;
use crate::support::server::TestServer;

async fn acknowledge(client: &Brc104, id: &str) {
    let body = json!({ "messageIds": [id] }).to_string();
    assert_eq!(client.post("/acknowledgeMessage", body).await.status, 200);
}

/// A refusal: status, code, `resource`, `limit` and `recipient`.
fn refusal(answer: &Answer) -> (u16, &str, Value) {
    assert!(answer.signed);
    let json = &answer.json;
    let details = json!([json["resource"], json["limit"], json["recipient"]]);
    (answer.status, answer.code(), details)
}

#[actix_web::test]
async fn a_full_inbox_is_named_and_takes_messages_again_after_an_acknowledgement() {
    let server = TestServer::with(|settings| settings.messages.max_inbox_messages = 2);
    let (alice, bob, carol) = (
        connect(&server).await,
        connect(&server).await,
        connect(&server).await,
    );
    for id in ["1", "2"] {
        assert_eq!(
            send(&alice, &[key(&bob)], "inbox", id, &Value::Null)
                .await
                .status,
            200
        );
    }
    // In another box too: the quota counts per identity.
    let full = send(&carol, &[key(&bob)], "another", "3", &Value::Null).await;
    let expected = json!(["messages", 2, key(&bob).to_hex()]);
    assert_eq!(
        refusal(&full),
        (429, "ERR_INBOX_QUOTA_EXCEEDED", expected.clone())
    );
    // All or nothing, and the answer names the full inbox.
    let several = [key(&carol), key(&bob), key(&alice)];
    let full = send(&carol, &several, "inbox", "4", &Value::Null).await;
    assert_eq!(refusal(&full), (429, "ERR_INBOX_QUOTA_EXCEEDED", expected));
    assert!(bodies(&carol, "inbox").await.is_empty());
    // A message that was sent before may be sent again.
    assert_eq!(
        send(&alice, &[key(&bob)], "inbox", "1", &Value::Null)
            .await
            .status,
        200
    );

    // A socket gets the same in its ack.
    let mut dave = AuthSocketClient::authenticated(server.address).await;
    let room = messagebox::ids::RoomId::of(&key(&bob), "inbox");
    dave.send_message(&room, "5", "x").await;
    let code = json!("ERR_INBOX_QUOTA_EXCEEDED");
    let (event, data) = dave.event().await;
    assert_eq!((&*event, &data["code"]), ("messageFailed", &code));
    let (event, data) = dave.event().await;
    assert_eq!(event, format!("sendMessageAck-{room}"));
    assert_eq!((&data["status"], &data["code"]), (&json!("error"), &code));

    assert_eq!(bodies(&bob, "inbox").await.len(), 2);
    acknowledge(&bob, "1").await;
    assert_eq!(
        send(&carol, &[key(&bob)], "inbox", "6", &Value::Null)
            .await
            .status,
        200
    );
}

#[actix_web::test]
async fn a_sender_may_have_so_many_bytes_stored() {
    let server = TestServer::with(|settings| settings.messages.max_sender_bytes = 250);
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let body = |id: &str| {
        let recipient = key(&bob).to_hex();
        let message = json!({"recipient": recipient, "messageBox": "inbox", "messageId": id, "body": "x".repeat(100)});
        json!({ "message": message }).to_string()
    };
    for id in ["1", "2"] {
        assert_eq!(alice.post("/sendMessage", body(id)).await.status, 200);
    }
    let full = alice.post("/sendMessage", body("3")).await;
    let expected = json!(["bytes", 250, null]);
    assert_eq!(refusal(&full), (429, "ERR_SENDER_QUOTA_EXCEEDED", expected));
    assert_eq!(bob.post("/sendMessage", body("4")).await.status, 200);
    acknowledge(&bob, "2").await;
    assert_eq!(alice.post("/sendMessage", body("3")).await.status, 200);
}

/// One request that would store 7.5 MiB (abuse A8). The server knows the size of a send to many before it stores
/// anything.
#[actix_web::test]
async fn a_send_to_many_counts_what_it_stores() {
    const RECIPIENTS: usize = 500;
    let server = TestServer::with(|settings| settings.messages.max_sender_bytes = 5 * 1024 * 1024);
    let alice = connect(&server).await;
    let recipients: Vec<String> = (0..RECIPIENTS)
        .map(|_| messagebox::auth::Identity::random().identity_key().to_hex())
        .collect();
    let ids: Vec<String> = (0..RECIPIENTS).map(|n| n.to_string()).collect();
    let request = |bytes: usize| {
        let message = json!({"recipients": recipients, "messageBox": "inbox", "messageId": ids, "body": "x".repeat(bytes)});
        json!({ "message": message }).to_string()
    };
    let full = alice.post("/sendMessage", request(15 * 1024)).await;
    let expected = json!(["bytes", 5 * 1024 * 1024, null]);
    assert_eq!(refusal(&full), (429, "ERR_SENDER_QUOTA_EXCEEDED", expected));
    assert_eq!(server.database.count("messages"), 0);
    assert_eq!(alice.post("/sendMessage", request(10)).await.status, 200);
    assert_eq!(server.database.count("messages"), RECIPIENTS);
}

/// The database of a server that kept no totals.
#[actix_web::test]
async fn an_inbox_over_its_quota_at_an_upgrade_is_counted_and_shown() {
    let unlimited = |settings: &mut Settings| {
        settings.messages.max_inbox_messages = 0;
        settings.messages.max_inbox_bytes = 0;
        settings.messages.max_sender_messages = 0;
        settings.messages.max_sender_bytes = 0;
    };
    let earlier = TestServer::with(unlimited);
    let (alice, bob) = (connect(&earlier).await, connect(&earlier).await);
    for id in ["1", "2", "3"] {
        assert_eq!(
            send(&alice, &[key(&bob)], "inbox", id, &Value::Null)
                .await
                .status,
            200
        );
    }
    assert_eq!(earlier.database.count("stored_totals"), 0);
    let server = TestServer::on(std::sync::Arc::clone(&earlier.database), |settings| {
        settings.messages.max_inbox_messages = 2;
    });
    let line = "messagebox_over_quota_identities{role=\"inbox\"} 1";
    eventually_async("the count", async || {
        ask_with(&server, "GET", "/metrics", &[])
            .await
            .1
            .contains(line)
    })
    .await;
    let alice_now = Brc104::connect_as(&server.http(""), alice.identity.clone()).await;
    let full = send(&alice_now, &[key(&bob)], "inbox", "4", &Value::Null).await;
    assert_eq!(full.code(), "ERR_INBOX_QUOTA_EXCEEDED");
    assert_eq!(bodies(&bob, "inbox").await.len(), 3);
}

#[actix_web::test]
async fn info_names_the_quotas_and_the_retention() {
    let server = TestServer::with(|settings| {
        let messages = &mut settings.messages;
        messages.max_sender_bytes = 0;
        let day = Lifetime(Duration::from_secs(86_400));
        messages.retention.insert("news".to_owned(), day);
    });
    let (_, info) = ask_with(&server, "GET", "/info", &[]).await;
    let info: Value = serde_json::from_str(&info).unwrap();
    let expected = json!({
        "maxInboxMessages": 100_000, "maxInboxBytes": 4_294_967_296_u64,
        "maxSenderMessages": 100_000, "maxSenderBytes": null,
    });
    assert_eq!(info["quotas"], expected);
    assert_eq!(
        info["retention"],
        json!({"messageSeconds": null, "boxSeconds": {"news": 86_400}})
    );
}

#[actix_web::test]
async fn on_a_disk_that_is_nearly_full_sends_are_refused_and_the_rest_goes_on() {
    let earlier = TestServer::start();
    let (alice, bob) = (connect(&earlier).await, connect(&earlier).await);
    assert_eq!(
        send(&alice, &[key(&bob)], "inbox", "1", &Value::Null)
            .await
            .status,
        200
    );
    let (database, bob) = (
        std::sync::Arc::clone(&earlier.database),
        bob.identity.clone(),
    );
    drop(earlier);
    let server = TestServer::on(database, |settings| {
        settings.database.min_free_bytes = i64::MAX.cast_unsigned();
    });
    if server.db.disk().is_none() {
        // The server cannot see the disk of a database server.
        return;
    }
    let alice = connect(&server).await;
    let bob = Brc104::connect_as(&server.http(""), bob).await;
    let refused = send(&alice, &[key(&bob)], "inbox", "2", &Value::Null).await;
    assert_eq!((refused.status, refused.code()), (503, "ERR_STORAGE_FULL"));
    assert_eq!(refused.header("retry-after"), Some("60"));
    let mut dave = AuthSocketClient::authenticated(server.address).await;
    let room = messagebox::ids::RoomId::of(&key(&bob), "inbox");
    dave.send_message(&room, "3", "x").await;
    assert_eq!(dave.event().await.1["code"], "ERR_STORAGE_FULL");
    assert_eq!(bodies(&bob, "inbox").await.len(), 1);
    acknowledge(&bob, "1").await;

    let (_, status) = ask_with(&server, "GET", "/admin/status", &[]).await;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["server"]["degraded"], json!(["disk"]));
    assert!(status["database"]["disk"]["freeBytes"].as_u64().unwrap() > 0);
    let (_, metrics) = ask_with(&server, "GET", "/metrics", &[]).await;
    assert!(
        metrics.contains("messagebox_degraded{cause=\"disk\"} 1"),
        "{metrics}"
    );
    let (code, ready) = ask_with(&server, "GET", "/readyz", &[]).await;
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert_eq!((code, &ready["degraded"]), (200, &json!(["disk"])));
}
