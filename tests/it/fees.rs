//! Permissions, fees and payments: who may send what to whom, and what it costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use messagebox::auth::Identity;
use messagebox::config::Secret;
use messagebox::ids::IdentityKey;
use serde_json::{Value, json};

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::{Answer, Brc104};
use crate::support::minting::Mint;
use crate::support::payer::{Payment, anyone, header};
use crate::support::remote::{Asked, Remote};
use crate::support::server::TestServer;
use crate::support::{PATIENCE, eventually_async};

pub async fn connect(server: &TestServer) -> Brc104 {
    Brc104::connect(&server.http("")).await
}

pub fn key(client: &Brc104) -> IdentityKey {
    client.identity.identity_key()
}

pub async fn get(client: &Brc104, target: &str) -> Value {
    let answer = client.send(&client.request("GET", target, "")).await;
    assert!(answer.status == 200 && answer.signed, "{:?}", answer.json);
    answer.json
}

pub async fn set(
    client: &Brc104,
    message_box: &str,
    fee: i64,
    sender: Option<IdentityKey>,
) -> Value {
    let sender = sender.map(|key| key.to_hex());
    let body = json!({"messageBox": message_box, "recipientFee": fee, "sender": sender});
    let answer = client.post("/permissions/set", body.to_string()).await;
    assert_eq!(answer.status, 200, "{:?}", answer.json);
    answer.json
}

pub async fn send(
    sender: &Brc104,
    recipients: &[IdentityKey],
    message_box: &str,
    id: &str,
    payment: &Value,
) -> Answer {
    let recipients: Vec<String> = recipients.iter().map(IdentityKey::to_hex).collect();
    let ids: Vec<String> = recipients.iter().map(|_| id.to_owned()).collect();
    let body = json!({
        "message": {"recipients": recipients, "messageBox": message_box, "messageId": ids, "body": "hello"},
        "payment": payment,
    });
    sender.post("/sendMessage", body.to_string()).await
}

pub async fn bodies(client: &Brc104, message_box: &str) -> Vec<Value> {
    let body = json!({ "messageBox": message_box }).to_string();
    let listed = client.post("/listMessages", body).await;
    let items = listed.json["messages"].as_array().unwrap().clone();
    let body = |item: &Value| serde_json::from_str(item["body"].as_str().unwrap()).unwrap();
    items.iter().map(body).collect()
}

#[actix_web::test]
async fn what_is_set_for_a_sender_goes_before_the_box_and_that_before_the_default() {
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

    let said = set(&bob, "chat", 5, None).await;
    assert_eq!(
        said["description"],
        "Box-wide default for all senders to chat now requires 5 satoshis."
    );
    assert_eq!(fee(get(&alice, &format!("{quote}chat")).await), 5);
    set(&bob, "chat", 0, Some(key(&alice))).await;
    assert_eq!(fee(get(&alice, &format!("{quote}chat")).await), 0);
    // Setting it again changes it, and makes no second one.
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
    // Nor by another spelling of the box.
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
    // Nothing was broadcast: the first that comes is what a friend sends.
    let friend = send(&carol, &[key(&bob)], "chat", "3", &Value::Null).await;
    assert_eq!(friend.status, 200);
    assert_eq!(live.event().await.1["messageId"], "3");
}

#[actix_web::test]
async fn a_fee_for_the_recipient_is_paid_once_for_each_message() {
    let server = TestServer::start();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    set(&bob, "chat", 7, None).await;
    let unpaid = send(&alice, &[key(&bob)], "chat", "1", &Value::Null).await;
    assert_eq!(
        (unpaid.status, unpaid.code()),
        (400, "ERR_MISSING_PAYMENT_TX")
    );
    let little = Payment::default().to(&anyone(), key(&bob), 6).json();
    let refused = send(&alice, &[key(&bob)], "chat", "1", &little).await;
    assert_eq!(
        (refused.status, refused.code()),
        (400, "ERR_INSUFFICIENT_PAYMENT")
    );
    assert_eq!(bodies(&bob, "chat").await, [Value::Null; 0]);

    let payment = Payment::default().to(&anyone(), key(&bob), 7).json();
    assert_eq!(
        send(&alice, &[key(&bob)], "chat", "1", &payment)
            .await
            .status,
        200
    );
    // The recipient gets what it needs to take it.
    let body = json!({"message": "hello", "payment": payment});
    assert_eq!(bodies(&bob, "chat").await, [body]);
    // The same message again is no new one, with or without the payment.
    for again in [&payment, &Value::Null] {
        assert_eq!(
            send(&alice, &[key(&bob)], "chat", "1", again).await.status,
            200
        );
    }
    let other = send(&alice, &[key(&bob)], "chat", "2", &payment).await;
    assert_eq!((other.status, other.code()), (400, "ERR_PAYMENT_REUSED"));
    let carol = connect(&server).await;
    let stolen = send(&carol, &[key(&bob)], "chat", "3", &payment).await;
    assert_eq!((stolen.status, stolen.code()), (400, "ERR_PAYMENT_REUSED"));
    // Once the message is gone, the payment for it is still spent.
    let ids = r#"{"messageIds":["1"]}"#;
    assert_eq!(bob.post("/acknowledgeMessage", ids).await.status, 200);
    let anew = send(&alice, &[key(&bob)], "chat", "1", &payment).await;
    assert_eq!((anew.status, anew.code()), (400, "ERR_PAYMENT_REUSED"));
    assert_eq!(bodies(&bob, "chat").await, [Value::Null; 0]);
}

#[actix_web::test]
async fn a_fee_is_due_on_a_socket_too_and_paid_over_http() {
    let server = TestServer::start();
    let bob = connect(&server).await;
    let mut live =
        AuthSocketClient::authenticated_as(server.address, Arc::clone(&bob.identity)).await;
    set(&bob, "chat", 7, None).await;
    let mut alice = AuthSocketClient::authenticated(server.address).await;
    let room = live.room("chat");
    alice.send_message(&room, "1", "hello").await;
    let (event, data) = alice.event().await;
    assert_eq!(event, "paymentFailed");
    let (_, ack) = alice.event().await;
    assert_eq!(
        (&ack["status"], &ack["reason"]),
        (&json!("error"), &data["reason"])
    );
    let http = Brc104::connect_as(&server.http(""), Arc::clone(&alice.identity)).await;
    let payment = Payment::default().to(&anyone(), key(&bob), 7).json();
    assert_eq!(
        send(&http, &[key(&bob)], "chat", "1", &payment)
            .await
            .status,
        200
    );
    // It is listed, with its payment. Live there is none, and a client that acknowledges what comes would lose the coins.
    let listed = bodies(&bob, "chat").await;
    assert_eq!((listed.len(), &listed[0]["message"]), (1, &json!("hello")));
    assert!(listed[0]["payment"].is_object());
    // Nor does a payment come live that was not needed.
    set(&bob, "chat", 0, None).await;
    let payment = Payment::default().to(&anyone(), key(&bob), 9).json();
    let free = send(&http, &[key(&bob)], "chat", "2", &payment).await;
    assert_eq!(free.status, 200);
    let unpaid = send(&http, &[key(&bob)], "chat", "3", &Value::Null).await;
    assert_eq!(unpaid.status, 200);
    assert_eq!(live.event().await.1["messageId"], "3");
}

#[actix_web::test]
async fn a_batch_is_paid_with_one_output_for_the_server_and_one_for_each_recipient() {
    let server = TestServer::with(|settings| {
        settings.fees.boxes.insert("chat".to_owned(), 10);
    });
    let alice = connect(&server).await;
    let (bob, carol, dave) = (
        connect(&server).await,
        connect(&server).await,
        connect(&server).await,
    );
    set(&bob, "chat", 5, None).await;
    set(&dave, "chat", 6, None).await;
    let to = [key(&bob), key(&carol), key(&dave)];
    let payment = Payment::default()
        .to(&alice.identity, server.identity_key, 10)
        .to(&anyone(), key(&bob), 5)
        .to(&anyone(), key(&dave), 6)
        .json();
    let sent = send(&alice, &to, "chat", "1", &payment).await;
    assert_eq!(sent.status, 200, "{:?}", sent.json);
    let share = |index: usize| {
        let mut share = payment.clone();
        share["outputs"] = json!([payment["outputs"][index]]);
        json!({"message": "hello", "payment": share})
    };
    assert_eq!(bodies(&bob, "chat").await, [share(1)]);
    assert_eq!(bodies(&carol, "chat").await, [json!({"message": "hello"})]);
    assert_eq!(bodies(&dave, "chat").await, [share(2)]);
    let kept = server
        .db
        .payments(server.identity_key, 0, 10)
        .await
        .unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        (kept[0].state.as_str(), kept[0].output.satoshis),
        ("kept", 10)
    );
    assert_eq!(kept[0].payer, key(&alice).to_hex());
    assert!(kept[0].output.transaction.is_some());
}

/// Nothing of it reaches anybody: neither the message nor the money.
#[actix_web::test]
async fn a_payment_that_could_not_be_mined_pays_for_nothing() {
    let server = TestServer::start();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    set(&bob, "chat", 7, None).await;
    let costly = vec![0x51, 0x95, 0x51];
    let mints = [
        Mint::new().forged(),
        Mint::new().unproven(),
        Mint::new().locked_by(costly),
        Mint::new().locked_until(4_000_000_000),
    ];
    for mint in mints {
        let payment = Payment::default()
            .to(&anyone(), key(&bob), 7)
            .minted_by(&mint);
        let refused = send(&alice, &[key(&bob)], "chat", "1", &payment).await;
        assert_eq!(
            (refused.status, refused.code()),
            (400, "ERR_INVALID_PAYMENT")
        );
    }
    assert_eq!(bodies(&bob, "chat").await, [Value::Null; 0]);
}

/// Many requests race with one payment for messages of their own.
#[actix_web::test]
async fn one_payment_pays_for_one_message_however_many_name_it_at_once() {
    let server = TestServer::start();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    set(&bob, "chat", 7, None).await;
    let payment = Payment::default().to(&anyone(), key(&bob), 7).json();
    let ids: Vec<String> = (0..8).map(|id| id.to_string()).collect();
    let to = [key(&bob)];
    let racing = ids.iter().map(|id| send(&alice, &to, "chat", id, &payment));
    let answers = futures_util::future::join_all(racing).await;
    let paid = answers.iter().filter(|answer| answer.status == 200).count();
    let reused = answers
        .iter()
        .filter(|answer| answer.code() == "ERR_PAYMENT_REUSED");
    assert_eq!((paid, reused.count()), (1, 7));
    assert_eq!(bodies(&bob, "chat").await.len(), 1);
}

#[actix_web::test]
async fn a_voluntary_payment_goes_along_if_it_is_one() {
    let server = TestServer::start();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let payment = Payment::default().to(&alice.identity, key(&bob), 3).json();
    assert_eq!(
        send(&alice, &[key(&bob)], "chat", "1", &payment)
            .await
            .status,
        200
    );
    let body = json!({"message": "hello", "payment": payment});
    assert_eq!(bodies(&bob, "chat").await, [body]);
    let broken = send(
        &alice,
        &[key(&bob)],
        "chat",
        "2",
        &json!({"tx": [1], "outputs": []}),
    )
    .await;
    assert_eq!((broken.status, broken.code()), (400, "ERR_INVALID_PAYMENT"));
    for nothing in [json!({}), json!(null), json!("x")] {
        let sent = send(&alice, &[key(&bob)], "chat", "3", &nothing).await;
        assert_eq!(sent.status, 200, "{nothing}");
    }
}

/// A wallet that answers with this status and with `accepted`.
fn wallet(status: &Arc<AtomicU16>, accepted: bool) -> Remote {
    let status = Arc::clone(status);
    Remote::start(move |_| {
        let accepted = json!({ "accepted": accepted });
        (status.load(Ordering::SeqCst), accepted).into()
    })
}

pub fn with_wallet(url: &str) -> TestServer {
    with_wallet_in(url, PATIENCE)
}

/// The same where the wallet must answer in this time.
fn with_wallet_in(url: &str, timeout: Duration) -> TestServer {
    let url = url.to_owned();
    TestServer::with(move |settings| {
        settings.wallet.url = Some(Secret::new(url));
        settings.wallet.timeout = timeout;
        settings.fees.boxes.insert("chat".to_owned(), 10);
    })
}

#[actix_web::test]
async fn a_wallet_takes_what_is_paid_to_the_server() {
    let status = Arc::new(AtomicU16::new(200));
    let wallet = wallet(&status, true);
    let server = with_wallet(&wallet.url);
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let payment = Payment::default()
        .to(&alice.identity, server.identity_key, 10)
        .json();
    // A wallet that does not do it costs the sender nothing: the same payment may be tried again.
    status.store(500, Ordering::SeqCst);
    let failed = send(&alice, &[key(&bob)], "chat", "1", &payment).await;
    assert_eq!(
        (failed.status, failed.code()),
        (500, "ERR_INTERNALIZE_FAILED")
    );
    assert_eq!(
        failed.json["description"],
        "Failed to internalize payment: the wallet answered with an error"
    );
    assert_eq!(bodies(&bob, "chat").await, [Value::Null; 0]);
    status.store(200, Ordering::SeqCst);
    let sent = send(&alice, &[key(&bob)], "chat", "1", &payment).await;
    assert_eq!(sent.status, 200, "{:?}", sent.json);
    let Asked {
        path, json: asked, ..
    } = wallet.asked().pop().unwrap();
    assert_eq!(path, "/internalizeAction");
    assert_eq!(asked["tx"], payment["tx"]);
    assert_eq!(asked["description"], "for a message");
    let remittance = &payment["outputs"][0]["paymentRemittance"];
    assert_eq!(
        asked["outputs"],
        json!([{"outputIndex": 0, "protocol": "wallet payment", "paymentRemittance": remittance}])
    );
    let kept = server
        .db
        .payments(server.identity_key, 0, 10)
        .await
        .unwrap();
    assert_eq!((kept.len(), kept[0].state.as_str()), (1, "internalized"));
    let asked = wallet.asked().len();
    // What cannot be stored is not paid for: the payment is good for another message.
    let carol = connect(&server).await;
    let own = Payment::default()
        .to(&carol.identity, server.identity_key, 10)
        .json();
    let taken = send(&carol, &[key(&bob)], "chat", "1", &own).await;
    assert_eq!((taken.status, taken.code()), (400, "ERR_DUPLICATE_MESSAGE"));
    assert_eq!(wallet.asked().len(), asked);
    assert_eq!(
        send(&carol, &[key(&bob)], "chat", "3", &own).await.status,
        200
    );
    let asked = wallet.asked().len();
    let again = send(&alice, &[key(&bob)], "chat", "1", &payment).await;
    let other = send(&alice, &[key(&bob)], "chat", "2", &payment).await;
    assert_eq!((again.status, other.code()), (200, "ERR_PAYMENT_REUSED"));
    assert_eq!(
        wallet.asked().len(),
        asked,
        "the wallet was asked twice for one payment"
    );
}

#[actix_web::test]
async fn a_wallet_that_does_not_answer_is_not_waited_for_and_may_be_asked_again() {
    let status = Arc::new(AtomicU16::new(0));
    let wallet = wallet(&status, true);
    let server = with_wallet_in(&wallet.url, Duration::from_millis(300));
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let payment = Payment::default()
        .to(&alice.identity, server.identity_key, 10)
        .json();
    let to = [key(&bob)];
    let failed = send(&alice, &to, "chat", "1", &payment).await;
    assert_eq!(
        (failed.status, failed.code()),
        (500, "ERR_INTERNALIZE_FAILED")
    );
    assert_eq!(
        failed.json["description"],
        "Failed to internalize payment: the wallet did not answer"
    );
    assert_eq!(bodies(&bob, "chat").await, [Value::Null; 0]);
    status.store(200, Ordering::SeqCst);
    // On a busy machine the first answer may be late again.
    eventually_async("the message", async || {
        send(&alice, &to, "chat", "1", &payment).await.status == 200
    })
    .await;
}

#[actix_web::test]
async fn a_wallet_may_refuse() {
    let wallet = wallet(&Arc::new(AtomicU16::new(200)), false);
    let server = with_wallet(&wallet.url);
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let payment = Payment::default()
        .to(&alice.identity, server.identity_key, 10)
        .json();
    let refused = send(&alice, &[key(&bob)], "chat", "1", &payment).await;
    assert_eq!(
        (refused.status, refused.code()),
        (400, "ERR_INSUFFICIENT_PAYMENT")
    );
    assert_eq!(
        refused.json["description"],
        "Payment was not accepted by the server."
    );
    assert_eq!(bodies(&bob, "chat").await, [Value::Null; 0]);
    assert!(
        server
            .db
            .payments(server.identity_key, 0, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

#[actix_web::test]
async fn proofs_are_held_against_the_chain_where_its_headers_are_known() {
    let confirmed = Arc::new(AtomicU16::new(1));
    let answer = {
        let confirmed = Arc::clone(&confirmed);
        move |_: &Asked| match confirmed.load(Ordering::SeqCst) {
            1 => (200, json!({"confirmationState": "CONFIRMED"})).into(),
            2 => (200, json!({"confirmationState": "INVALID"})).into(),
            _ => (500, json!({})).into(),
        }
    };
    let headers = Remote::start(answer);
    let url = headers.url.clone();
    let server =
        TestServer::with(move |settings| settings.wallet.headers_url = Some(Secret::new(url)));
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    set(&bob, "chat", 7, None).await;
    let payment = Payment::default().to(&anyone(), key(&bob), 7).json();
    for (state, status, code) in [
        (2, 400, "ERR_INVALID_PAYMENT"),
        (3, 500, "ERR_PAYMENT_UNVERIFIED"),
    ] {
        confirmed.store(state, Ordering::SeqCst);
        let refused = send(&alice, &[key(&bob)], "chat", "1", &payment).await;
        assert_eq!((refused.status, refused.code()), (status, code));
    }
    confirmed.store(1, Ordering::SeqCst);
    assert_eq!(
        send(&alice, &[key(&bob)], "chat", "1", &payment)
            .await
            .status,
        200
    );
    let asked = headers.asked().pop().unwrap();
    assert_eq!(asked.json[0]["blockHeight"], 800_000);
}

#[actix_web::test]
async fn a_request_with_a_price_is_paid_and_then_answered() {
    let server = TestServer::with(|settings| {
        settings
            .prices
            .routes
            .insert("/listMessages".to_owned(), 10);
    });
    let alice = connect(&server).await;
    let body = r#"{"messageBox":"inbox"}"#;
    let asked = alice.post("/listMessages", body).await;
    assert_eq!((asked.status, asked.signed), (402, true));
    assert_eq!(
        asked.json,
        json!({
            "status": "error", "code": "ERR_PAYMENT_REQUIRED", "satoshisRequired": 10,
            "description": "A BSV payment is required to complete this request. Provide the X-BSV-Payment header.",
        })
    );
    assert_eq!(asked.header("x-bsv-payment-version"), Some("1.0"));
    assert_eq!(asked.header("x-bsv-payment-satoshis-required"), Some("10"));
    assert_eq!(
        asked.header("x-bsv-identity-key"),
        Some(&*server.identity_key.to_hex())
    );
    let prefix = asked.header("x-bsv-payment-derivation-prefix").unwrap();
    let paying = |value: String| {
        let mut request = alice.request("POST", "/listMessages", body);
        request.headers.push(("x-bsv-payment".to_owned(), value));
        alice.sign(request)
    };
    let paid = header(&alice.identity, server.identity_key, prefix, 12);
    let answer = alice.send(&paying(paid.clone())).await;
    assert!(answer.status == 200 && answer.signed, "{:?}", answer.json);
    assert_eq!(answer.header("x-bsv-payment-satoshis-paid"), Some("12"));
    assert_eq!(answer.json["messages"], json!([]));
    // A payment pays once, the server's own nonce only is taken, and too little is too little.
    let foreign = Identity::random().create_nonce(rand::random()).unwrap();
    let replayed = alice.send(&paying(paid)).await;
    assert_eq!(
        (replayed.status, replayed.code(), replayed.signed),
        (409, "ERR_PAYMENT_REPLAYED", true)
    );
    let cases = [
        (
            header(&alice.identity, server.identity_key, prefix, 9),
            400,
            "ERR_INVALID_PAYMENT",
        ),
        (
            header(&Identity::random(), server.identity_key, prefix, 10),
            400,
            "ERR_INVALID_PAYMENT",
        ),
        (
            header(&alice.identity, server.identity_key, &foreign, 10),
            400,
            "ERR_INVALID_DERIVATION_PREFIX",
        ),
        ("{}".to_owned(), 400, "ERR_MALFORMED_PAYMENT"),
        ("no json".to_owned(), 400, "ERR_MALFORMED_PAYMENT"),
    ];
    for (value, status, code) in cases {
        let refused = alice.send(&paying(value)).await;
        assert!(refused.status == status && refused.signed, "{code}");
        assert_eq!(refused.code(), code);
    }
    // Other routes stay free.
    assert_eq!(get(&alice, "/devices").await["devices"], json!([]));
    let kept = server
        .db
        .payments(server.identity_key, 0, 10)
        .await
        .unwrap();
    assert_eq!((kept.len(), kept[0].output.satoshis), (1, 12));
}

/// Quotes sum the fee for each recipient, and current clients pay as much. Older ones pay it once.
#[actix_web::test]
async fn a_delivery_fee_is_due_once_unless_the_operator_wants_it_for_each_recipient() {
    for per_recipient in [false, true] {
        let server = TestServer::with(|settings| {
            settings.fees.boxes.insert("chat".to_owned(), 3);
            settings.messages.delivery_fee_per_recipient = per_recipient;
        });
        let alice = connect(&server).await;
        let to = [connect(&server).await, connect(&server).await].map(|client| key(&client));
        let target = format!(
            "/permissions/quote?messageBox=chat&recipient={}&recipient={}",
            to[0], to[1]
        );
        let totals = &get(&alice, &target).await["totals"];
        assert_eq!(totals["deliveryFees"], 6);
        let pay = |satoshis| {
            let server = server.identity_key;
            Payment::default()
                .to(&alice.identity, server, satoshis)
                .json()
        };
        let once = send(&alice, &to, "chat", "1", &pay(3)).await;
        let each = send(&alice, &to, "chat", "2", &pay(6)).await;
        assert_eq!(each.status, 200, "{}", each.json);
        if per_recipient {
            assert_eq!(
                (once.status, once.code()),
                (400, "ERR_INSUFFICIENT_PAYMENT")
            );
        } else {
            assert_eq!(once.status, 200, "{}", once.json);
        }
    }
}

/// A payment was seen: its client must never be asked for another.
#[actix_web::test]
async fn a_payment_that_cannot_be_taken_now_is_no_reason_to_ask_for_another() {
    let status = Arc::new(AtomicU16::new(500));
    let wallet = wallet(&status, true);
    let url = wallet.url.clone();
    let server = TestServer::with(move |settings| {
        settings.wallet.url = Some(Secret::new(url));
        settings.prices.request = 10;
    });
    let alice = connect(&server).await;
    let asked = alice.send(&alice.request("GET", "/devices", "")).await;
    let prefix = asked.header("x-bsv-payment-derivation-prefix").unwrap();
    let payment = header(&alice.identity, server.identity_key, prefix, 10);
    let paying = || {
        let mut request = alice.request("GET", "/devices", "");
        request
            .headers
            .push(("x-bsv-payment".to_owned(), payment.clone()));
        alice.sign(request)
    };
    let failed = alice.send(&paying()).await;
    assert_eq!(
        (failed.status, failed.code(), failed.signed),
        (503, "ERR_PAYMENT_UNAVAILABLE", true)
    );
    assert!(failed.header("retry-after").is_some());
    // The same payment, once the wallet answers.
    status.store(200, Ordering::SeqCst);
    assert_eq!(alice.send(&paying()).await.status, 200);
    let again = alice.send(&paying()).await;
    assert_eq!((again.status, again.code()), (409, "ERR_PAYMENT_REPLAYED"));
}
