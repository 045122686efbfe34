//! Requests with a price: payments in a header or in the body, and requests that fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use messagebox::auth::{Identity, message_nonce, sha256};
use messagebox::config::Secret;
use serde_json::json;

use crate::fees::{bodies, connect, key};
use crate::support::brc104::{Answer, Brc104, Request};
use crate::support::database::TestDatabase;
use crate::support::payer::{envelope, header, large_header};
use crate::support::remote::Remote;
use crate::support::server::TestServer;
use crate::support::within;

use super::SlowWallet;

#[actix_web::test]
async fn a_request_that_fails_costs_nothing_and_one_payment_pays_for_one_that_succeeds() {
    let server = TestServer::with(|settings| {
        settings.prices.routes.insert("/sendMessage".to_owned(), 10);
    });
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let prefix = alice.post("/sendMessage", "{}").await;
    let prefix = prefix.header("x-bsv-payment-derivation-prefix").unwrap();
    let payment = header(&alice.identity, server.identity_key, prefix, 10);
    let message = |id: &str| {
        let message = json!({"recipient": key(&bob).to_hex(), "messageBox": "b", "messageId": id, "body": "x"});
        json!({ "message": message }).to_string()
    };
    let paying = |body: &str| {
        let mut request = alice.request("POST", "/sendMessage", body);
        let value = payment.clone();
        request.headers.push(("x-bsv-payment".to_owned(), value));
        alice.sign(request)
    };
    let failed = alice.send(&paying("{}")).await;
    assert_eq!(
        (failed.status, failed.code()),
        (400, "ERR_MESSAGE_REQUIRED")
    );
    assert_eq!(failed.header("x-bsv-payment-satoshis-paid"), None);
    // Many requests at once with the same payment.
    let requests: Vec<_> = (0..6).map(|id| paying(&message(&id.to_string()))).collect();
    let racing = requests.iter().map(|request| alice.send(request));
    let answers = futures_util::future::join_all(racing).await;
    let paid: Vec<_> = answers.iter().filter(|it| it.status == 200).collect();
    assert_eq!(paid.len(), 1);
    assert_eq!(paid[0].header("x-bsv-payment-satoshis-paid"), Some("10"));
    let used = alice.send(&paying(&message("7"))).await;
    assert_eq!((used.status, used.code()), (409, "ERR_PAYMENT_REPLAYED"));
    let others: Vec<_> = answers.iter().filter(|it| it.status != 200).collect();
    let are_replayed = |it: &&&Answer| (it.status, it.code()) == (409, "ERR_PAYMENT_REPLAYED");
    assert_eq!(others.iter().filter(are_replayed).count(), 5, "{others:?}");
    assert_eq!(bodies(&bob, "b").await.len(), 1);
}

const PRICE: u64 = 10;

fn priced(route: &str) -> TestServer {
    TestServer::with(|settings| {
        settings.prices.routes.insert(route.to_owned(), PRICE);
    })
}

/// The derivation prefix with which the server asks for a payment.
async fn prefix(client: &Brc104, route: &str) -> String {
    let unpaid = client.post(route, "{}").await;
    assert_eq!(
        (unpaid.status, unpaid.signed),
        (402, true),
        "{:?}",
        unpaid.json
    );
    let prefix = unpaid.header("x-bsv-payment-derivation-prefix");
    prefix.unwrap().to_owned()
}

/// A request with its payment in the body, signed as `AuthFetch` signs it: over the whole content type.
fn in_body(client: &Brc104, route: &str, payment: &str, body: &str) -> Request {
    let (content_type, envelope) = envelope(payment, Some(("application/json", body)));
    typed(client, route, &content_type, envelope)
}

fn typed(client: &Brc104, route: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Request {
    let request = client.request("POST", route, body);
    client.sign(request.set("content-type", content_type))
}

fn message_to(client: &Brc104, id: &str) -> String {
    let message = json!({
        "recipient": key(client).to_hex(), "messageBox": "b", "messageId": id, "body": "in a part",
    });
    json!({ "message": message }).to_string()
}

#[actix_web::test]
async fn a_payment_may_come_in_the_body_of_its_request() {
    let server = priced("/sendMessage");
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let unpaid = alice.post("/sendMessage", "{}").await;
    let says = |name: &str| unpaid.header(name).unwrap_or_default().to_owned();
    assert_eq!(says("x-bsv-payment-transports"), "header,multipart");
    assert_eq!(says("x-bsv-identity-key"), server.identity_key.to_hex());
    let prefix = says("x-bsv-payment-derivation-prefix");
    // Too large for a header.
    let payment = large_header(&alice.identity, server.identity_key, &prefix, 12, 1_500_000);
    let request = in_body(&alice, "/sendMessage", &payment, &message_to(&bob, "1"));
    let answer = alice.send(&request).await;
    assert!(answer.status == 200 && answer.signed, "{:?}", answer.json);
    assert_eq!(answer.header("x-bsv-payment-satoshis-paid"), Some("12"));
    assert_eq!(bodies(&bob, "b").await, [json!({"message": "in a part"})]);
    // It pays once, in the header or in the body.
    let again = in_body(&alice, "/sendMessage", &payment, &message_to(&bob, "1"));
    let again = alice.send(&again).await;
    assert_eq!((again.status, again.code()), (409, "ERR_PAYMENT_REPLAYED"));
    assert!(again.signed);
}

/// Signs without the library that the server uses to read.
#[actix_web::test]
async fn a_multipart_request_signs_its_whole_content_type() {
    let server = priced("/listMessages");
    let alice = connect(&server).await;
    let prefix = prefix(&alice, "/listMessages").await;
    let payment = header(&alice.identity, server.identity_key, &prefix, PRICE);
    let (content_type, body) = envelope(
        &payment,
        Some(("application/json", r#"{"messageBox":"b"}"#)),
    );
    let signed = |signed_type: &str| {
        let id: [u8; 32] = rand::random();
        let short = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        let length = u16::try_from(body.len()).unwrap().to_le_bytes();
        let payload = [
            &id[..],
            &short("POST"),
            &short("/listMessages"),
            &[0xff; 9],
            &[1],
            &short("content-type"),
            &short(signed_type),
            &[&[0xfd][..], &length].concat(),
            body.as_bytes(),
        ]
        .concat();
        let nonce = message_nonce();
        let signature = alice.session.sign(&nonce, &sha256(&payload)).unwrap();
        alice
            .request("POST", "/listMessages", body.clone())
            .set("content-type", &*content_type)
            .set("x-bsv-auth-nonce", nonce)
            .set("x-bsv-auth-signature", hex::encode(&*signature))
            .set("x-bsv-auth-request-id", STANDARD.encode(id))
    };
    let stripped = alice.send(&signed("multipart/form-data")).await;
    assert_eq!((stripped.status, stripped.signed), (401, false));
    let whole = alice.send(&signed(&content_type)).await;
    assert_eq!(whole.status, 200, "{:?}", whole.json);
    // With a boundary other than the signed one, an attacker could choose the body.
    let payment = header(&alice.identity, server.identity_key, &prefix, PRICE);
    let forged = in_body(&alice, "/listMessages", &payment, "{}")
        .set("content-type", "multipart/form-data; boundary=other");
    assert_eq!(alice.send(&forged).await.status, 401);
}

#[actix_web::test]
async fn after_a_payment_was_seen_nothing_asks_for_another() {
    let server = priced("/listMessages");
    let alice = connect(&server).await;
    let prefix = prefix(&alice, "/listMessages").await;
    let body = r#"{"messageBox":"b"}"#;
    let pay = |satoshis| header(&alice.identity, server.identity_key, &prefix, satoshis);
    let send = async |content_type: &str, body: String, headers: &[&str]| {
        let mut request = alice
            .request("POST", "/listMessages", body)
            .set("content-type", content_type);
        for header in headers {
            let header = ("x-bsv-payment".to_owned(), (*header).to_owned());
            request.headers.push(header);
        }
        let answer = alice.send(&alice.sign(request)).await;
        assert!(answer.signed, "{:?}", answer.json);
        (answer.status, answer.code().to_owned())
    };
    let malformed = (400, "ERR_MALFORMED_PAYMENT".to_owned());
    let good = pay(PRICE);
    let (content_type, form) = envelope(&good, Some(("application/json", body)));
    // In both ways, or twice in one.
    assert_eq!(send(&content_type, form.clone(), &[&good]).await, malformed);
    assert_eq!(
        send("application/json", body.to_owned(), &[&good, &good]).await,
        malformed
    );
    // Broken in one part or another.
    let named = "name=\"body\"";
    for broken in [
        form.replace(named, "name=\"x-bsv-payment\""),
        form.replace(named, "name=\"other\""),
        form.replace("--\r\n", "--\r\nmore"),
        form.replace("Content-Type: application/json", "Content-Type: text/plain"),
        form.replace("\r\n", "\n"),
        String::new(),
    ] {
        assert_eq!(
            send(&content_type, broken.clone(), &[]).await,
            malformed,
            "{broken}"
        );
    }
    assert_eq!(
        send("multipart/form-data", form.clone(), &[]).await,
        malformed
    );
    // Readable, but no payment.
    let suffix =
        json!({"derivationPrefix": prefix, "derivationSuffix": "!", "transaction": "AAAA"});
    let transaction =
        json!({"derivationPrefix": prefix, "derivationSuffix": "AAAA", "transaction": "AAA"});
    let foreign = Identity::random().create_nonce(rand::random()).unwrap();
    let foreign = header(&alice.identity, server.identity_key, &foreign, PRICE);
    for (payment, code) in [
        ("{}".to_owned(), "ERR_MALFORMED_PAYMENT"),
        (String::new(), "ERR_MALFORMED_PAYMENT"),
        (suffix.to_string(), "ERR_MALFORMED_PAYMENT"),
        (transaction.to_string(), "ERR_MALFORMED_PAYMENT"),
        (foreign, "ERR_INVALID_DERIVATION_PREFIX"),
        (pay(PRICE - 1), "ERR_INVALID_PAYMENT"),
    ] {
        let expected = (400, code.to_owned());
        let (content_type, form) = envelope(&payment, Some(("application/json", body)));
        assert_eq!(send(&content_type, form, &[]).await, expected, "{payment}");
        assert_eq!(
            send("application/json", body.to_owned(), &[&payment]).await,
            expected
        );
    }
    let large = " ".repeat(4 * 1024 * 1024 + 1);
    let (large_type, large) = envelope(&large, None);
    let expected = (413, "ERR_MALFORMED_PAYMENT".to_owned());
    assert_eq!(send(&large_type, large, &[]).await, expected);
    // Without a payment it is an ordinary request. The payment that was kept still pays.
    let unpaid = form.replace("name=\"x-bsv-payment\"", "name=\"note\"");
    let expected = (402, "ERR_PAYMENT_REQUIRED".to_owned());
    assert_eq!(send(&content_type, unpaid, &[]).await, expected);
    assert_eq!(send(&content_type, form, &[]).await.0, 200);
}

#[actix_web::test]
async fn the_envelope_is_read_on_free_routes_too() {
    let server =
        TestServer::with(|settings| settings.limits.max_json_depth = 8.try_into().unwrap());
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let request = in_body(&alice, "/sendMessage", "{}", &message_to(&bob, "1"));
    assert_eq!(alice.send(&request).await.status, 200);
    assert_eq!(bodies(&bob, "b").await, [json!({"message": "in a part"})]);
    // Parts that close in one what they open in another are no deeper than each part.
    let deep = in_body(&alice, "/sendMessage", "{}", &"[".repeat(9));
    let deep = alice.send(&deep).await;
    assert_eq!((deep.status, deep.code()), (400, "ERR_JSON_TOO_DEEP"));
    let hidden = in_body(
        &alice,
        "/sendMessage",
        "]]]]]]]]]\"",
        &format!("\"{}", "[".repeat(9)),
    );
    let hidden = alice.send(&hidden).await;
    assert_eq!((hidden.status, hidden.code()), (400, "ERR_INVALID_JSON"));
    // The server decodes no body: clients sign what they send.
    let encoded = alice
        .request("POST", "/listMessages", r#"{"messageBox":"b"}"#)
        .set("content-encoding", "gzip");
    let encoded = alice.send(&encoded).await;
    assert_eq!(
        (encoded.status, encoded.code(), encoded.signed),
        (415, "ERR_AUTH_BODY", false)
    );
    let plain = alice
        .request("POST", "/listMessages", r#"{"messageBox":"b"}"#)
        .set("content-encoding", "identity");
    assert_eq!(alice.send(&plain).await.status, 200);
}

#[actix_web::test]
async fn a_payment_that_fills_the_head_of_a_request_is_taken() {
    let server = priced("/listMessages");
    let alice = connect(&server).await;
    let prefix = prefix(&alice, "/listMessages").await;
    // All of the 131,072 bytes that the other headers leave.
    let payment = large_header(&alice.identity, server.identity_key, &prefix, PRICE, 96_800);
    assert!(
        (129_000..130_000).contains(&payment.len()),
        "{}",
        payment.len()
    );
    let mut request = alice.request("POST", "/listMessages", r#"{"messageBox":"b"}"#);
    request.headers.push(("x-bsv-payment".to_owned(), payment));
    let answer = alice.send(&alice.sign(request)).await;
    assert_eq!(answer.status, 200, "{:?}", answer.json);
}

#[actix_web::test]
async fn a_payment_that_a_wallet_did_not_answer_for_may_be_brought_again() {
    let is_up = Arc::new(AtomicUsize::new(0));
    let wallet = {
        let is_up = Arc::clone(&is_up);
        Remote::start(move |_| match is_up.load(Ordering::SeqCst) {
            0 => (500, json!({})).into(),
            1 => (200, json!({"accepted": false})).into(),
            _ => (200, json!({"accepted": true})).into(),
        })
    };
    let url = wallet.url.clone();
    let server = TestServer::with(move |settings| {
        settings.wallet.url = Some(Secret::new(url));
        settings.prices.request = PRICE;
    });
    let alice = connect(&server).await;
    let prefix = prefix(&alice, "/listMessages").await;
    let payment = header(&alice.identity, server.identity_key, &prefix, PRICE);
    for (state, status, code) in [
        (0, 503, "ERR_PAYMENT_UNAVAILABLE"),
        (1, 400, "ERR_PAYMENT_FAILED"),
        (2, 200, ""),
        (2, 409, "ERR_PAYMENT_REPLAYED"),
    ] {
        is_up.store(state, Ordering::SeqCst);
        let request = in_body(&alice, "/listMessages", &payment, r#"{"messageBox":"b"}"#);
        let answer = alice.send(&request).await;
        assert_eq!((answer.status, answer.code()), (status, code));
        let is_retried = answer.header("retry-after").is_some();
        assert_eq!(is_retried, status == 503);
    }
}

#[actix_web::test]
async fn a_request_whose_server_ended_is_paid_for_by_the_same_payment() {
    let wallet = SlowWallet::start();
    let url = wallet.remote.url.clone();
    let database = Arc::new(TestDatabase::create());
    let start = || {
        let url = url.clone();
        TestServer::on(Arc::clone(&database), move |settings| {
            settings.identity.private_key = Some(Secret::new("5".repeat(64)));
            settings.wallet.url = Some(Secret::new(url));
            settings.wallet.timeout = Duration::from_secs(20);
            settings
                .prices
                .routes
                .insert("/sendMessage".to_owned(), PRICE);
        })
    };
    let server = start();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let prefix = prefix(&alice, "/sendMessage").await;
    let payment = header(&alice.identity, server.identity_key, &prefix, PRICE);
    let message = message_to(&bob, "1");
    let first = in_body(&alice, "/sendMessage", &payment, &message);
    // The answer is lost. While the first attempt is in progress, a second one is refused.
    within(
        "the client to disconnect",
        alice.send_and_go(&first, wallet.is_asked()),
    )
    .await;
    let second = in_body(&alice, "/sendMessage", &payment, &message);
    let second = alice.send(&second).await;
    assert_eq!(
        (second.status, second.code()),
        (409, "ERR_PAYMENT_REPLAYED")
    );
    // The server stops before the wallet has answered.
    drop(server);
    let server = start();
    let base = server.http("");
    let alice = Brc104::connect_as(&base, Arc::clone(&alice.identity)).await;
    let bob = Brc104::connect_as(&base, Arc::clone(&bob.identity)).await;
    // Another request cannot use what the first one left behind.
    let other = in_body(&alice, "/sendMessage", &payment, &message_to(&bob, "2"));
    let other = alice.send(&other).await;
    assert_eq!((other.status, other.code()), (409, "ERR_PAYMENT_REPLAYED"));
    let third = in_body(&alice, "/sendMessage", &payment, &message);
    let third = alice.send(&third).await;
    assert_eq!(third.status, 200, "{:?}", third.json);
    assert_eq!(bodies(&bob, "b").await.len(), 1);
    let fourth = in_body(&alice, "/sendMessage", &payment, &message);
    let fourth = alice.send(&fourth).await;
    assert_eq!(
        (fourth.status, fourth.code()),
        (409, "ERR_PAYMENT_REPLAYED")
    );
}
