//! Permissions: setting, listing and quoting them, and blocked senders.

use std::sync::Arc;

use messagebox::auth::Identity;
use messagebox::ids::IdentityKey;
use serde_json::{Value, json};

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::Brc104;
use crate::support::server::TestServer;

use super::{bodies, connect, get, key, send, set};

#[actix_web::test]
async fn a_setting_for_a_sender_overrides_the_box_and_the_box_overrides_the_default() {
    let server = TestServer::start();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let quote = format!("/permissions/quote?recipient={}&messageBox=", key(&bob));
    let fee = |json: Value| json["quote"]["recipientFee"].as_i64().unwrap();
    assert_eq!(fee(get(&alice, &format!("{quote}chat")).await), 0);
    let notifications = get(&alice, &format!("{quote}notifications")).await;
    assert_eq!(
        notifications,
        json!({
            "status": "success", "description": "Message delivery quote generated.",
            "quote": {"deliveryFee": 10, "recipientFee": 10},
        })
    );
    // A quote writes nothing.
    let list = get(&bob, "/permissions/list").await;
    assert_eq!(
        list,
        json!({"status": "success", "permissions": [], "totalCount": 0})
    );

    let answer = set(&bob, "chat", 5, None).await;
    assert_eq!(
        answer["description"],
        "Box-wide default for all senders to chat now requires 5 satoshis."
    );
    assert_eq!(fee(get(&alice, &format!("{quote}chat")).await), 5);
    set(&bob, "chat", 0, Some(key(&alice))).await;
    assert_eq!(fee(get(&alice, &format!("{quote}chat")).await), 0);
    // A second setting replaces the first.
    set(&bob, "chat", -1, None).await;
    let stranger = connect(&server).await;
    assert_eq!(fee(get(&stranger, &format!("{quote}chat")).await), -1);
    let list = get(&bob, "/permissions/list?message_box=chat").await;
    assert_eq!(list["totalCount"], 2);
    let (wide, own) = (&list["permissions"][0], &list["permissions"][1]);
    assert_eq!(wide["sender"], Value::Null);
    assert_eq!(own["sender"], key(&alice).to_hex());
    let camel = get(&bob, "/permissions/list?messageBox=chat").await;
    for (one, other) in [
        ("messageBox", "message_box"),
        ("recipientFee", "recipient_fee"),
        ("createdAt", "created_at"),
        ("updatedAt", "updated_at"),
    ] {
        let newer = &camel["permissions"][0];
        assert!(
            !wide[other].is_null() && wide[other] == newer[one],
            "{wide} {newer}"
        );
        // Strict clients refuse a row that has a name in both spellings.
        assert!(
            wide[one].is_null() && newer[other].is_null(),
            "{wide} {newer}"
        );
    }
    let found = get(
        &bob,
        &format!("/permissions/get?messageBox=chat&sender={}", key(&alice)),
    )
    .await;
    assert_eq!(found["permission"]["status"], "always_allow");
    assert_eq!(
        found["description"],
        format!(
            "Permission setting found for sender {} to chat.",
            key(&alice)
        )
    );
    let found = get(&bob, "/permissions/get?message_box=chat").await;
    assert_eq!(found["permission"]["status"], "blocked");
    let nothing = get(&bob, "/permissions/get?messageBox=else").await;
    assert_eq!(
        nothing,
        json!({
            "status": "success", "permission": null,
            "description": "No box-wide permission setting found for else.",
        })
    );
}

#[actix_web::test]
async fn permissions_are_listed_by_box_and_sender_and_in_pages() {
    let server = TestServer::start();
    let bob = connect(&server).await;
    let mut senders: Vec<IdentityKey> = (0..2).map(|_| Identity::random().identity_key()).collect();
    senders.sort_by_key(IdentityKey::to_hex);
    for name in ["b", "a"] {
        for sender in [None, Some(senders[1]), Some(senders[0])] {
            set(&bob, name, 1, sender).await;
        }
    }
    let all = get(&bob, "/permissions/list?createdAtOrder=asc").await;
    let order: Vec<(String, Option<String>)> = all["permissions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let sender = item["sender"].as_str().map(str::to_owned);
            (item["message_box"].as_str().unwrap().to_owned(), sender)
        })
        .collect();
    let mut expected = Vec::new();
    for name in ["a", "b"] {
        expected.push((name.to_owned(), None));
        expected.extend(
            senders
                .iter()
                .map(|key| (name.to_owned(), Some(key.to_hex()))),
        );
    }
    assert_eq!(order, expected);
    let page = get(&bob, "/permissions/list?limit=2&offset=3").await;
    assert_eq!(page["totalCount"], 6);
    assert_eq!(page["permissions"][0], all["permissions"][3]);
    assert_eq!(page["permissions"].as_array().unwrap().len(), 2);
}

#[actix_web::test]
async fn quotes_for_many_name_each_and_their_sum() {
    let server = TestServer::with(|settings| {
        settings.fees.boxes.insert("chat".to_owned(), 3);
    });
    let alice = connect(&server).await;
    let (bob, carol, dave) = (
        connect(&server).await,
        connect(&server).await,
        connect(&server).await,
    );
    set(&bob, "chat", 5, None).await;
    set(&carol, "chat", -1, Some(key(&alice))).await;
    let target = format!(
        "/permissions/quote?messageBox=chat&recipient={}&recipient={}&recipient={}",
        key(&bob),
        key(&carol),
        key(&dave)
    );
    let quote = get(&alice, &target).await;
    let one = |client: &Brc104, fee: i64, status: &str| {
        json!({
            "recipient": key(client).to_hex(), "messageBox": "chat", "deliveryFee": 3,
            "recipientFee": fee, "status": status,
        })
    };
    assert_eq!(
        quote,
        json!({
            "status": "success", "description": "Message delivery quotes generated for 3 recipients.",
            "quotesByRecipient": [
                one(&bob, 5, "payment_required"), one(&carol, -1, "blocked"), one(&dave, 0, "always_allow"),
            ],
            "totals": {"deliveryFees": 9, "recipientFees": 5, "totalForPayableRecipients": 14},
            "blockedRecipients": [key(&carol).to_hex()],
        })
    );
}

#[actix_web::test]
async fn who_is_blocked_reaches_nobody_by_either_way() {
    let server = TestServer::start();
    let alice = connect(&server).await;
    let (bob, carol) = (connect(&server).await, connect(&server).await);
    let mut live =
        AuthSocketClient::authenticated_as(server.address, Arc::clone(&bob.identity)).await;
    set(&bob, "chat", -1, Some(key(&alice))).await;
    let refused = send(&alice, &[key(&carol), key(&bob)], "chat", "1", &Value::Null).await;
    assert_eq!((refused.status, refused.signed), (403, true));
    assert_eq!(
        refused.json,
        json!({
            "status": "error", "code": "ERR_DELIVERY_BLOCKED",
            "description": format!("Blocked recipients: {}", key(&bob)),
            "blockedRecipients": [key(&bob).to_hex()],
        })
    );
    // All or none.
    assert_eq!(bodies(&carol, "chat").await, [Value::Null; 0]);

    let identity = Arc::clone(&alice.identity);
    let mut socket = AuthSocketClient::authenticated_as(server.address, identity).await;
    let room = live.room("chat");
    socket.send_message(&room, "2", "hello").await;
    let reason = json!({"reason": "The recipient has blocked you", "code": "ERR_DELIVERY_BLOCKED"});
    assert_eq!(socket.event().await, ("paymentFailed".to_owned(), reason));
    let (event, ack) = socket.event().await;
    assert_eq!(event, format!("sendMessageAck-{room}"));
    assert_eq!(
        (&ack["status"], &ack["messageId"]),
        (&json!("error"), &json!("2"))
    );
    // Another spelling of the box changes nothing.
    for (id, spelled) in [("a", " chat"), ("b", "chat "), ("c", "\u{a0}chat\u{2003}")] {
        let room = live.room(spelled);
        socket.send_message(&room, id, "hello").await;
        assert_eq!(socket.event().await.0, "paymentFailed", "{spelled:?}");
        let (event, ack) = socket.event().await;
        assert_eq!(event, format!("sendMessageAck-{room}"));
        assert_eq!(ack["status"], "error", "{spelled:?}");
        assert_eq!(bodies(&bob, spelled).await, [Value::Null; 0]);
    }
    assert_eq!(bodies(&bob, "chat").await, [Value::Null; 0]);
    // Nothing was broadcast: the first event is the friend's message.
    let friend = send(&carol, &[key(&bob)], "chat", "3", &Value::Null).await;
    assert_eq!(friend.status, 200);
    assert_eq!(live.event().await.1["messageId"], "3");
}
