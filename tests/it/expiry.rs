//! Messages that expire, and pages of those that do not.

use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::Brc104;
use crate::support::server::TestServer;
use crate::support::{eventually, within};

async fn connect(server: &TestServer) -> Brc104 {
    Brc104::connect(&server.http("")).await
}

async fn send(client: &Brc104, to: &Brc104, id: &str, expires_at: &Value) -> (u16, String) {
    let recipient = to.identity.identity_key().to_hex();
    let body = json!({"message": {
        "recipient": recipient, "messageBox": "inbox", "messageId": id, "body": id, "expiresAt": expires_at,
    }});
    let answer = client.post("/sendMessage", body.to_string()).await;
    (answer.status, answer.code().to_owned())
}

async fn list(client: &Brc104, query: &Value) -> Value {
    let mut body = json!({"messageBox": "inbox"});
    for (name, value) in query.as_object().unwrap() {
        body[name] = value.clone();
    }
    let answer = client.post("/listMessages", body.to_string()).await;
    assert_eq!(answer.status, 200, "{:?}", answer.json);
    answer.json
}

fn ids(listed: &Value) -> Vec<String> {
    let items = listed["messages"].as_array().unwrap();
    let id = |item: &Value| item["messageId"].as_str().unwrap().to_owned();
    items.iter().map(id).collect()
}

fn milliseconds_from_now(milliseconds: i64) -> Value {
    let now = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
    json!(i64::try_from(now).unwrap() + milliseconds)
}

#[actix_web::test]
async fn an_expired_message_is_not_listed_and_its_id_is_free_again() {
    let server = TestServer::with(|settings| {
        settings.messages.sweep_interval = Duration::from_secs(3_600);
    });
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let soon = json!("2999-01-01T00:00:00Z");
    assert_eq!(send(&alice, &bob, "soon", &soon).await.0, 200);
    assert_eq!(
        send(&alice, &bob, "later", &json!("2999-01-01T00:00:00Z"))
            .await
            .0,
        200
    );
    assert_eq!(send(&alice, &bob, "never", &Value::Null).await.0, 200);
    assert_eq!(
        ids(&list(&bob, &json!({})).await),
        ["soon", "later", "never"]
    );
    let past = server.database.time("2020-01-01T00:00:00.000Z");
    server.database.run(&format!(
        r#"UPDATE "messages" SET "expires_at" = {past} WHERE "messageId" = 'soon'"#
    ));
    assert_eq!(ids(&list(&bob, &json!({})).await), ["later", "never"]);
    // It is still in the table, but neither a duplicate nor a conflict.
    assert_eq!(send(&alice, &bob, "soon", &Value::Null).await.0, 200);
    assert_eq!(
        ids(&list(&bob, &json!({})).await),
        ["later", "never", "soon"]
    );
    let past = milliseconds_from_now(-1);
    for wrong in [past, json!("soon"), json!({})] {
        let refused = send(&alice, &bob, "x", &wrong).await;
        assert_eq!(refused, (400, "ERR_INVALID_EXPIRY".to_owned()), "{wrong}");
    }
}

/// Expired messages leave the list first and the table a little later.
#[actix_web::test]
async fn expired_messages_are_deleted_in_batches() {
    for (ttl, past) in [
        (Duration::from_secs(3_600), "created_at"),
        (Duration::ZERO, "expires_at"),
    ] {
        let server = TestServer::with(|settings| {
            settings.messages.ttl = ttl;
            settings.messages.sweep_interval = Duration::from_millis(20);
            settings.messages.sweep_batch = std::num::NonZeroUsize::new(3).unwrap();
        });
        let (alice, bob) = (connect(&server).await, connect(&server).await);
        let expires_at = if ttl.is_zero() {
            json!("2999-01-01T00:00:00Z")
        } else {
            Value::Null
        };
        for id in 0..10 {
            let sent = send(&alice, &bob, &id.to_string(), &expires_at).await;
            assert_eq!(sent.0, 200);
        }
        let rows = || server.database.count("messages");
        assert_eq!(rows(), 10);
        let time = server.database.time("2020-01-01T00:00:00.000Z");
        let age = format!(r#"UPDATE "messages" SET "{past}" = {time}"#);
        server.database.run(&age);
        eventually("the rows to be deleted", || rows() == 0).await;
        // Nothing else is delayed, and messages with time left stay.
        assert_eq!(send(&alice, &bob, "new", &Value::Null).await.0, 200);
        assert_eq!(ids(&list(&bob, &json!({})).await), ["new"]);
    }
}

#[actix_web::test]
async fn a_live_message_may_expire_too() {
    let server = TestServer::start();
    let mut alice = AuthSocketClient::authenticated(server.address).await;
    let room = alice.room("inbox");
    let message = |id: &str, expires_at: Value| json!({"roomId": room.as_str(), "message": {"messageId": id, "body": "b", "expiresAt": expires_at}});
    for wrong in [milliseconds_from_now(-1), json!("soon")] {
        alice.emit("sendMessage", &message("1", wrong)).await;
        let failed = within("the refusal", alice.event()).await;
        assert_eq!(
            failed,
            (
                "messageFailed".to_owned(),
                json!({"reason": "Invalid expiry", "code": "ERR_MESSAGE_REJECTED"})
            )
        );
        assert_eq!(alice.event().await.1["status"], "error");
    }
    alice
        .emit("sendMessage", &message("2", milliseconds_from_now(60_000)))
        .await;
    assert_eq!(alice.event().await.1["status"], "success");
}

#[actix_web::test]
async fn a_box_is_listed_in_pages_where_that_is_asked_for() {
    let server = TestServer::start();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    for id in ["1", "2", "3", "4", "5"] {
        assert_eq!(send(&alice, &bob, id, &Value::Null).await.0, 200);
    }
    let all = list(&bob, &json!({})).await;
    assert_eq!(ids(&all), ["1", "2", "3", "4", "5"]);
    assert_eq!(
        (&all["hasMore"], &all["nextCursor"]),
        (&json!(false), &Value::Null)
    );
    for (order, expected) in [
        ("asc", ["1", "2", "3", "4", "5"]),
        ("desc", ["5", "4", "3", "2", "1"]),
    ] {
        let mut seen = Vec::new();
        let mut cursor = Value::Null;
        loop {
            let page = list(&bob, &json!({"limit": 2, "order": order, "cursor": cursor})).await;
            seen.extend(ids(&page));
            // New messages come after the cursor, or before the first page.
            cursor = page["nextCursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
        assert_eq!(seen, expected);
    }
    assert_eq!(ids(&list(&bob, &json!({"offset": 3})).await), ["4", "5"]);
    let page = list(&bob, &json!({"limit": 2, "offset": 1})).await;
    assert_eq!(ids(&page), ["2", "3"]);
    let end = list(&bob, &json!({"limit": 5})).await;
    assert_eq!((ids(&end).len(), &end["nextCursor"]), (5, &Value::Null));
}
