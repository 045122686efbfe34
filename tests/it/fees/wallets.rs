//! Payments to the server: wallets that take them, block headers that confirm them, and requests with a price.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use messagebox::auth::Identity;
use messagebox::config::Secret;
use serde_json::{Value, json};

use crate::support::eventually_async;
use crate::support::payer::{Payment, anyone, header};
use crate::support::remote::{Remote, RemoteRequest};
use crate::support::server::TestServer;

use super::{bodies, connect, get, key, send, set, with_wallet, with_wallet_in};

/// A wallet that answers with this status and with `accepted`.
fn wallet(status: &Arc<AtomicU16>, accepted: bool) -> Remote {
    let status = Arc::clone(status);
    Remote::start(move |_| {
        let accepted = json!({ "accepted": accepted });
        (status.load(Ordering::SeqCst), accepted).into()
    })
}

#[actix_web::test]
async fn a_wallet_takes_payments_to_the_server() {
    let status = Arc::new(AtomicU16::new(200));
    let wallet = wallet(&status, true);
    let server = with_wallet(&wallet.url);
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let payment = Payment::default()
        .to(&alice.identity, server.identity_key, 10)
        .json();
    // A wallet that fails costs the sender nothing: the same payment may be tried again.
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
    let RemoteRequest {
        path, json: action, ..
    } = wallet.requests().pop().unwrap();
    assert_eq!(path, "/internalizeAction");
    assert_eq!(action["tx"], payment["tx"]);
    assert_eq!(action["description"], "for a message");
    let remittance = &payment["outputs"][0]["paymentRemittance"];
    assert_eq!(
        action["outputs"],
        json!([{"outputIndex": 0, "protocol": "wallet payment", "paymentRemittance": remittance}])
    );
    let kept = server
        .db
        .payments(server.identity_key, 0, 10)
        .await
        .unwrap();
    assert_eq!((kept.len(), kept[0].state.as_str()), (1, "internalized"));
    let before = wallet.requests().len();
    // If the message cannot be stored, the payment stays unspent and pays for another.
    let carol = connect(&server).await;
    let own = Payment::default()
        .to(&carol.identity, server.identity_key, 10)
        .json();
    let taken = send(&carol, &[key(&bob)], "chat", "1", &own).await;
    assert_eq!((taken.status, taken.code()), (400, "ERR_DUPLICATE_MESSAGE"));
    assert_eq!(wallet.requests().len(), before);
    assert_eq!(
        send(&carol, &[key(&bob)], "chat", "3", &own).await.status,
        200
    );
    let before = wallet.requests().len();
    let again = send(&alice, &[key(&bob)], "chat", "1", &payment).await;
    let other = send(&alice, &[key(&bob)], "chat", "2", &payment).await;
    assert_eq!((again.status, other.code()), (200, "ERR_PAYMENT_REUSED"));
    assert_eq!(
        wallet.requests().len(),
        before,
        "the wallet got two requests for one payment"
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
        move |_: &RemoteRequest| match confirmed.load(Ordering::SeqCst) {
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
    let request = headers.requests().pop().unwrap();
    assert_eq!(request.json[0]["blockHeight"], 800_000);
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
    let unpaid = alice.post("/listMessages", body).await;
    assert_eq!((unpaid.status, unpaid.signed), (402, true));
    assert_eq!(
        unpaid.json,
        json!({
            "status": "error", "code": "ERR_PAYMENT_REQUIRED", "satoshisRequired": 10,
            "description": "A BSV payment is required to complete this request. Provide the X-BSV-Payment header.",
        })
    );
    assert_eq!(unpaid.header("x-bsv-payment-version"), Some("1.0"));
    assert_eq!(unpaid.header("x-bsv-payment-satoshis-required"), Some("10"));
    assert_eq!(
        unpaid.header("x-bsv-identity-key"),
        Some(&*server.identity_key.to_hex())
    );
    let prefix = unpaid.header("x-bsv-payment-derivation-prefix").unwrap();
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
    // A payment pays once. It must use the server's own nonce and pay the whole price.
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

/// Once a client has sent a payment, the server must not ask for another.
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
    let unpaid = alice.send(&alice.request("GET", "/devices", "")).await;
    let prefix = unpaid.header("x-bsv-payment-derivation-prefix").unwrap();
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
