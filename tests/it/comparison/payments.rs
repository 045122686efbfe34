//! Fees and prices, and payments that the server refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use messagebox::config::Secret;
use serde_json::{Value, json};

use crate::support::documents::Documents;
use crate::support::payer::{Payment, anyone, envelope, header};
use crate::support::remote::Remote;

use super::{Failing, KEY, Stage, ask, request, right};

pub async fn fees(documents: &mut Documents) {
    let wallet = Remote::start(|_| (500, json!({})).into());
    let headers = Remote::start(|_| (500, json!({})).into());
    let (wallet_url, headers_url) = (wallet.url.clone(), headers.url.clone());
    let stage = Stage::set(move |settings| {
        settings.wallet.url = Some(Secret::new(wallet_url));
        settings.fees.boxes.insert("served".to_owned(), 10);
    })
    .await;
    let checked =
        Stage::set(move |settings| settings.wallet.headers_url = Some(Secret::new(headers_url)))
            .await;
    stage.allow("blocked", -1).await;
    stage.allow("asks", 5).await;
    checked.allow("asks", 5).await;
    let server = stage.server.identity_key;
    let to = |stage: &Stage, message_box: &str, id: &str, payment: Value| {
        let recipient = stage.bob().to_hex();
        let message = json!({"messageBox": message_box, "body": "x", "recipient": recipient, "messageId": id});
        json!({"message": message, "payment": payment})
    };
    let pay = |satoshis: u64| {
        Payment::default()
            .to(&anyone(), stage.bob(), satoshis)
            .json()
    };
    let mut tagged = pay(5);
    tagged["outputs"][0]["customInstructions"] = json!({ "recipientIdentityKey": KEY });
    let mut empty = pay(5);
    empty["outputs"] = json!([]);
    let mut broken = pay(5);
    broken["tx"] = json!([1, 1, 1, 1]);
    let for_server = Payment::default()
        .to(&stage.alice.identity, server, 10)
        .json();
    let mut failing = Failing {
        documents,
        client: &stage.alice,
    };
    let cases = [
        ("blocked", Value::Null, 403, "ERR_DELIVERY_BLOCKED"),
        ("asks", Value::Null, 400, "ERR_MISSING_PAYMENT_TX"),
        ("served", Value::Null, 400, "ERR_MISSING_PAYMENT_TX"),
        ("served", empty.clone(), 400, "ERR_MISSING_DELIVERY_OUTPUT"),
        ("asks", empty, 400, "ERR_INSUFFICIENT_OUTPUTS"),
        ("asks", tagged, 400, "ERR_MISSING_RECIPIENT_OUTPUTS"),
        ("asks", broken, 400, "ERR_INVALID_PAYMENT"),
        ("asks", pay(4), 400, "ERR_INSUFFICIENT_PAYMENT"),
        ("served", for_server, 500, "ERR_INTERNALIZE_FAILED"),
    ];
    for (message_box, payment, status, code) in cases {
        let body = to(&stage, message_box, "1", payment);
        let answer = failing
            .ask("POST", "/sendMessage", &body, status, code)
            .await;
        let blocked = &answer.json["blockedRecipients"];
        assert_eq!(blocked.is_array(), code == "ERR_DELIVERY_BLOCKED");
    }
    let payment = pay(5);
    let first = ask(
        &stage.alice,
        "POST",
        "/sendMessage",
        &to(&stage, "asks", "1", payment.clone()),
    )
    .await;
    assert_eq!(first.status, 200);
    let again = to(&stage, "asks", "2", payment);
    failing
        .ask("POST", "/sendMessage", &again, 400, "ERR_PAYMENT_REUSED")
        .await;
    let payment = Payment::default().to(&anyone(), checked.bob(), 5).json();
    let body = to(&checked, "asks", "1", payment);
    let mut failing = Failing {
        documents,
        client: &checked.alice,
    };
    failing
        .ask("POST", "/sendMessage", &body, 500, "ERR_PAYMENT_UNVERIFIED")
        .await;
}

pub async fn prices(documents: &mut Documents) {
    let wallet = Arc::new(AtomicUsize::new(0));
    let remote = {
        let wallet = Arc::clone(&wallet);
        Remote::start(move |_| match wallet.load(Ordering::SeqCst) {
            0 => (500, json!({})).into(),
            accepted => (200, json!({ "accepted": accepted == 2 })).into(),
        })
    };
    let url = remote.url.clone();
    let stage = Stage::set(move |settings| {
        settings.wallet.url = Some(Secret::new(url));
        settings.prices.request = 10;
    })
    .await;
    let (alice, server) = (&stage.alice, stage.server.identity_key);
    let large = " ".repeat(4 * 1024 * 1024 + 1);
    let list = json!({"messageBox": "inbox"});
    let unpaid = ask(alice, "POST", "/listMessages", &list).await;
    let prefix = unpaid.header("x-bsv-payment-derivation-prefix").unwrap();
    let used = header(&alice.identity, server, prefix, 10);
    wallet.store(2, Ordering::SeqCst);
    let mut paid = request(alice, "POST", "/listMessages", &list);
    paid.headers
        .push(("x-bsv-payment".to_owned(), used.clone()));
    assert_eq!(alice.send(&alice.sign(paid)).await.status, 200);
    for (method, target, body) in right(&stage.bob().to_hex()) {
        let mut failing = Failing {
            documents,
            client: alice,
        };
        let unpaid = failing
            .ask(method, &target, &body, 402, "ERR_PAYMENT_REQUIRED")
            .await;
        assert_eq!(unpaid.json["satoshisRequired"], 10);
        let prefix = unpaid.header("x-bsv-payment-derivation-prefix").unwrap();
        let pays = header(&alice.identity, server, prefix, 10);
        let cases = [
            (0, "{}".to_owned(), 400, "ERR_MALFORMED_PAYMENT"),
            (
                0,
                header(&alice.identity, server, "AAAA", 10),
                400,
                "ERR_INVALID_DERIVATION_PREFIX",
            ),
            (
                0,
                header(&alice.identity, server, prefix, 9),
                400,
                "ERR_INVALID_PAYMENT",
            ),
            (0, pays.clone(), 503, "ERR_PAYMENT_UNAVAILABLE"),
            (1, pays, 400, "ERR_PAYMENT_FAILED"),
            (2, used.clone(), 409, "ERR_PAYMENT_REPLAYED"),
        ];
        for (says, value, status, code) in cases {
            wallet.store(says, Ordering::SeqCst);
            let mut paid = request(alice, method, &target, &body);
            paid.headers.push(("x-bsv-payment".to_owned(), value));
            let answer = alice.send(&alice.sign(paid)).await;
            assert!(answer.signed);
            assert_eq!((answer.status, answer.code()), (status, code), "{target}");
            documents.hold(method, &target, &answer);
        }
        let (content_type, form) = envelope(&large, None);
        let paid = alice.request(method, &target, form);
        let paid = paid.set("content-type", content_type);
        let answer = alice.send(&alice.sign(paid)).await;
        assert_eq!(
            (answer.status, answer.code()),
            (413, "ERR_MALFORMED_PAYMENT")
        );
        documents.hold(method, &target, &answer);
    }
}

/// A payment pays once.
pub async fn replayed_payments(documents: &mut Documents) {
    let stage = Stage::set(|settings| settings.prices.request = 10).await;
    for (method, target, body) in right(&stage.bob().to_hex()) {
        // A caller can acknowledge only their own messages.
        let client = if target == "/acknowledgeMessage" {
            &stage.bob
        } else {
            &stage.alice
        };
        let unpaid = client.send(&request(client, method, &target, &body)).await;
        let prefix = unpaid.header("x-bsv-payment-derivation-prefix").unwrap();
        let payment = header(&client.identity, stage.server.identity_key, prefix, 10);
        for (status, code) in [(200, ""), (409, "ERR_PAYMENT_REPLAYED")] {
            let mut paid = request(client, method, &target, &body);
            paid.headers
                .push(("x-bsv-payment".to_owned(), payment.clone()));
            let answer = client.send(&client.sign(paid)).await;
            assert_eq!((answer.status, answer.code()), (status, code), "{target}");
            documents.hold(method, &target, &answer);
        }
    }
}
