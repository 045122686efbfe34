//! Fees for messages and their payments, to recipients and to the server.

mod permissions;
mod wallets;

use std::sync::Arc;
use std::time::Duration;

use messagebox::config::Secret;
use messagebox::ids::IdentityKey;
use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::{Answer, Brc104};
use crate::support::minting::Mint;
use crate::support::payer::{Payment, anyone};
use crate::support::server::TestServer;

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
    // The recipient gets what it needs to take the payment.
    let body = json!({"message": "hello", "payment": payment});
    assert_eq!(bodies(&bob, "chat").await, [body]);
    // The same message again is a repetition, with or without the payment.
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
    // After the message is gone, its payment is still spent.
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
    // The list has the message with its payment. The live room has neither: a client that acknowledges live messages
    // would lose the coins.
    let listed = bodies(&bob, "chat").await;
    assert_eq!((listed.len(), &listed[0]["message"]), (1, &json!("hello")));
    assert!(listed[0]["payment"].is_object());
    // A voluntary payment does not come live either.
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

/// A refused message reaches nobody, and neither does its money.
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
async fn a_voluntary_payment_is_delivered_if_it_is_valid() {
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

pub fn with_wallet(url: &str) -> TestServer {
    with_wallet_in(url, PATIENCE)
}

/// The same with this time limit for the wallet.
fn with_wallet_in(url: &str, timeout: Duration) -> TestServer {
    let url = url.to_owned();
    TestServer::with(move |settings| {
        settings.wallet.url = Some(Secret::new(url));
        settings.wallet.timeout = timeout;
        settings.fees.boxes.insert("chat".to_owned(), 10);
    })
}

/// Quotes sum the fee for each recipient, and current clients pay that sum. Older ones pay the fee once.
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
