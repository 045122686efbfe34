//! Payments under pressure: the same coin again, wallets that hesitate, clients that go, requests that fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use messagebox::auth::{Identity, message_nonce, sha256};
use messagebox::config::Secret;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::fees::{bodies, connect, key, send, set};
use crate::support::brc104::{Answer, Brc104, Request};
use crate::support::database::TestDatabase;
use crate::support::minting::Mint;
use crate::support::payer::{Payment, anyone, envelope, header, large_header};
use crate::support::remote::{Remote, Reply};
use crate::support::server::TestServer;
use crate::support::{eventually, eventually_async, within};

#[actix_web::test]
async fn a_coin_pays_once_however_it_is_signed() {
    let server = TestServer::start();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    set(&bob, "chat", 7, None).await;
    let coin = Mint::new();
    let pay = || {
        Payment::default()
            .to(&anyone(), key(&bob), 7)
            .minted_by(&coin)
    };
    let (one, other) = (pay(), pay());
    assert_ne!(one["tx"], other["tx"]);
    let to = [key(&bob)];
    assert_eq!(send(&alice, &to, "chat", "1", &one).await.status, 200);
    let again = send(&alice, &to, "chat", "2", &other).await;
    assert_eq!((again.status, again.code()), (400, "ERR_PAYMENT_REUSED"));
    let reason = again.json["description"].as_str().unwrap();
    let coin_of = |reason: &str| {
        let (_, named) = reason.split_once("it spends the coin ")?;
        let (coin, _) = named.split_once(", which another payment has spent")?;
        Some(coin.to_owned())
    };
    let named = coin_of(reason).unwrap_or_else(|| panic!("{reason}"));
    assert!(named.len() == 66 && named.ends_with(".0"), "{reason}");
    // The same transaction once more is named by its own output.
    let same = send(&alice, &to, "chat", "2", &one).await;
    assert_eq!(same.code(), "ERR_PAYMENT_REUSED");
    let reason = same.json["description"].as_str().unwrap();
    assert!(
        reason.ends_with(".0 has been used before") && !reason.contains(&named),
        "{reason}"
    );
    assert_eq!(bodies(&bob, "chat").await.len(), 1);
    // A transaction that was not accepted spends nothing.
    let coin = Mint::new();
    let little = Payment::default()
        .to(&anyone(), key(&bob), 6)
        .minted_by(&coin);
    assert_eq!(send(&alice, &to, "chat", "3", &little).await.status, 400);
    let enough = Payment::default()
        .to(&anyone(), key(&bob), 7)
        .minted_by(&coin);
    assert_eq!(send(&alice, &to, "chat", "3", &enough).await.status, 200);
}

#[actix_web::test]
async fn what_nobody_asked_for_is_given_once_too() {
    let server = TestServer::start();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let gift = Payment::default().to(&anyone(), key(&bob), 7).json();
    let to = [key(&bob)];
    assert_eq!(send(&alice, &to, "free", "1", &gift).await.status, 200);
    let again = send(&alice, &to, "free", "2", &gift).await;
    assert_eq!((again.status, again.code()), (400, "ERR_PAYMENT_REUSED"));
    set(&bob, "chat", 7, None).await;
    let fee = send(&alice, &to, "chat", "3", &gift).await;
    assert_eq!((fee.status, fee.code()), (400, "ERR_PAYMENT_REUSED"));
    assert_eq!(bodies(&bob, "free").await.len(), 1);
    // A message that was sent before says so: nothing of this request goes to anybody.
    let other = Payment::default().to(&anyone(), key(&bob), 8).json();
    let sent = send(&alice, &to, "free", "1", &other).await;
    let result = json!({"recipient": key(&bob).to_hex(), "messageId": "1", "alreadySent": true});
    assert_eq!((sent.status, &sent.json["results"][0]), (200, &result));
    let other = send(&alice, &to, "chat", "4", &other).await;
    assert_eq!(other.status, 200, "{:?}", other.json);
    assert_eq!(other.json["results"][0].get("alreadySent"), None);
}

/// Whoever sees a transaction of somebody else can name its outputs, for a message that costs nothing.
#[actix_web::test]
async fn nobody_claims_what_is_anothers_where_nothing_is_due() {
    let server = TestServer::with(|settings| {
        settings.fees.boxes.insert("chat".to_owned(), 10);
    });
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let mallory = connect(&server).await;
    let payment = to_server(&server, &alice);
    let bare = json!({"tx": payment["tx"], "outputs": [{"outputIndex": 0}]});
    for (id, stolen) in [("1", &bare), ("2", &payment)] {
        let to = [key(&bob)];
        let sent = send(&mallory, &to, "free", id, stolen).await;
        assert_eq!(sent.status, 200, "{:?}", sent.json);
    }
    let paid = send(&alice, &[key(&bob)], "chat", "3", &payment).await;
    assert_eq!(paid.status, 200, "{:?}", paid.json);
    let taken = server.db.payments(server.identity_key, 0, 10).await;
    let payers: Vec<String> = taken.unwrap().into_iter().map(|kept| kept.payer).collect();
    assert_eq!(payers, [key(&alice).to_hex()]);
}

/// A wallet that does not answer its first request before it is let, and refuses those whose outputs it is told to.
struct SlowWallet {
    remote: Remote,
    gate: Arc<Semaphore>,
}

impl SlowWallet {
    fn start() -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let first = AtomicUsize::new(0);
        let remote = {
            let gate = Arc::clone(&gate);
            Remote::start(move |_| {
                let is_first = first.fetch_add(1, Ordering::SeqCst) == 0;
                Reply {
                    held_by: is_first.then(|| Arc::clone(&gate)),
                    ..Reply::from((200, json!({"accepted": true})))
                }
            })
        };
        Self { remote, gate }
    }

    fn server(&self) -> TestServer {
        let url = self.remote.url.clone();
        TestServer::with(move |settings| {
            settings.wallet.url = Some(Secret::new(url));
            settings.fees.boxes.insert("chat".to_owned(), 10);
            settings.wallet.timeout = Duration::from_secs(20);
        })
    }

    async fn is_asked(&self) {
        eventually("the wallet being asked", || !self.remote.asked().is_empty()).await;
    }

    fn answer(&self) {
        self.gate.add_permits(1);
    }
}

fn to_server(server: &TestServer, payer: &Brc104) -> Value {
    Payment::default()
        .to(&payer.identity, server.identity_key, 10)
        .json()
}

#[actix_web::test]
async fn what_a_wallet_has_taken_is_not_refused_for_what_was_said_in_between() {
    let wallet = SlowWallet::start();
    let server = wallet.server();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let payment = to_server(&server, &alice);
    let to = [key(&bob)];
    let sending = send(&alice, &to, "chat", "1", &payment);
    let meanwhile = async {
        wallet.is_asked().await;
        set(&bob, "chat", -1, Some(key(&alice))).await;
        wallet.answer();
    };
    let (sent, ()) = within("both", async { tokio::join!(sending, meanwhile) }).await;
    assert_eq!(sent.status, 200, "{:?}", sent.json);
    assert_eq!(bodies(&bob, "chat").await.len(), 1);
    let blocked = send(&alice, &to, "chat", "2", &to_server(&server, &alice)).await;
    assert_eq!(blocked.status, 403);
}

#[actix_web::test]
async fn what_a_wallet_has_taken_for_nothing_pays_for_something_else() {
    let wallet = SlowWallet::start();
    let server = wallet.server();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let carol = connect(&server).await;
    let payment = to_server(&server, &alice);
    let to = [key(&bob)];
    let sending = send(&alice, &to, "chat", "1", &payment);
    let meanwhile = async {
        wallet.is_asked().await;
        // Somebody else is faster with this id; and the payment is good for one thing at a time.
        let own = to_server(&server, &carol);
        assert_eq!(send(&carol, &to, "chat", "1", &own).await.status, 200);
        let other = send(&alice, &to, "chat", "2", &payment).await;
        assert_eq!((other.status, other.code()), (400, "ERR_PAYMENT_REUSED"));
        wallet.answer();
    };
    let (sent, ()) = within("both", async { tokio::join!(sending, meanwhile) }).await;
    assert_eq!((sent.status, sent.code()), (400, "ERR_DUPLICATE_MESSAGE"));
    let asked = wallet.remote.asked().len();
    // It is alice's, and nobody else's.
    let stolen = send(&carol, &to, "chat", "3", &payment).await;
    assert_eq!((stolen.status, stolen.code()), (400, "ERR_PAYMENT_REUSED"));
    let anew = send(&alice, &to, "chat", "3", &payment).await;
    assert_eq!(anew.status, 200, "{:?}", anew.json);
    assert_eq!(
        wallet.remote.asked().len(),
        asked,
        "it was asked twice for one payment"
    );
    let used = send(&alice, &to, "chat", "4", &payment).await;
    assert_eq!((used.status, used.code()), (400, "ERR_PAYMENT_REUSED"));
}

#[actix_web::test]
async fn what_is_paid_twice_for_one_message_pays_for_another() {
    let wallet = SlowWallet::start();
    let server = wallet.server();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let payment = to_server(&server, &alice);
    let to = [key(&bob)];
    let sending = send(&alice, &to, "chat", "1", &payment);
    let meanwhile = async {
        wallet.is_asked().await;
        let second = to_server(&server, &alice);
        assert_eq!(send(&alice, &to, "chat", "1", &second).await.status, 200);
        wallet.answer();
    };
    let (sent, ()) = within("both", async { tokio::join!(sending, meanwhile) }).await;
    assert_eq!(sent.status, 200, "{:?}", sent.json);
    assert_eq!(sent.json["results"][0]["alreadySent"], true);
    let asked = wallet.remote.asked().len();
    let anew = send(&alice, &to, "chat", "2", &payment).await;
    assert_eq!(anew.status, 200, "{:?}", anew.json);
    assert_eq!(wallet.remote.asked().len(), asked, "the wallet has it");
    let used = send(&alice, &to, "chat", "3", &payment).await;
    assert_eq!((used.status, used.code()), (400, "ERR_PAYMENT_REUSED"));
    assert_eq!(bodies(&bob, "chat").await.len(), 2);
}

#[actix_web::test]
async fn a_message_that_is_being_paid_for_is_stored_when_its_client_has_gone() {
    let wallet = SlowWallet::start();
    let server = wallet.server();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let body = json!({
        "message": {"recipient": key(&bob).to_hex(), "messageBox": "chat", "messageId": "1", "body": "hello"},
        "payment": to_server(&server, &alice),
    });
    let request = alice.request("POST", "/sendMessage", body.to_string());
    let gone = alice.send_and_go(&request, wallet.is_asked());
    within("going", gone).await;
    wallet.answer();
    eventually_async("the message", async || {
        !bodies(&bob, "chat").await.is_empty()
    })
    .await;
    let taken = server.db.payments(server.identity_key, 0, 10).await;
    assert_eq!(taken.unwrap()[0].state, "internalized");
}

#[actix_web::test]
async fn a_wallet_that_refuses_lets_go_of_the_coin_too() {
    let wallet = Remote::start(|asked| {
        let accepted = asked.json["description"] != "refuse me";
        (200, json!({ "accepted": accepted })).into()
    });
    let server = crate::fees::with_wallet(&wallet.url);
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let coin = Mint::new();
    let pay = |description: &str| {
        let made = Payment::default().to(&alice.identity, server.identity_key, 10);
        let mut payment = made.minted_by(&coin);
        payment["description"] = json!(description);
        payment
    };
    let to = [key(&bob)];
    let refused = send(&alice, &to, "chat", "1", &pay("refuse me")).await;
    assert_eq!(
        (refused.status, refused.code()),
        (400, "ERR_INSUFFICIENT_PAYMENT")
    );
    let taken = send(&alice, &to, "chat", "1", &pay("take me")).await;
    assert_eq!(taken.status, 200, "{:?}", taken.json);
    let again = send(&alice, &to, "chat", "2", &pay("take me")).await;
    assert_eq!((again.status, again.code()), (400, "ERR_PAYMENT_REUSED"));
}

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
    // Many come at once with it.
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

/// What the server asks for, and the nonce to derive the payment with.
async fn prefix(client: &Brc104, route: &str) -> String {
    let asked = client.post(route, "{}").await;
    assert_eq!(
        (asked.status, asked.signed),
        (402, true),
        "{:?}",
        asked.json
    );
    let prefix = asked.header("x-bsv-payment-derivation-prefix");
    prefix.unwrap().to_owned()
}

/// A request whose payment is in its body, signed as `AuthFetch` signs it: over the whole content-type.
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
async fn a_payment_may_come_in_the_body_beside_what_it_pays_for() {
    let server = priced("/sendMessage");
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let asked = alice.post("/sendMessage", "{}").await;
    let says = |name: &str| asked.header(name).unwrap_or_default().to_owned();
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
    // It pays once, however it comes.
    let again = in_body(&alice, "/sendMessage", &payment, &message_to(&bob, "1"));
    let again = alice.send(&again).await;
    assert_eq!((again.status, again.code()), (409, "ERR_PAYMENT_REPLAYED"));
    assert!(again.signed);
}

/// Signs without the library that the server reads with.
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
    // Another boundary than the signed one would let somebody else say what is the body.
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
    // By both ways, or twice by one.
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
    // Read, and not a payment.
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
    // Without a payment it is an ordinary request, and the one that was kept pays.
    let unpaid = form.replace("name=\"x-bsv-payment\"", "name=\"note\"");
    let expected = (402, "ERR_PAYMENT_REQUIRED".to_owned());
    assert_eq!(send(&content_type, unpaid, &[]).await, expected);
    assert_eq!(send(&content_type, form, &[]).await.0, 200);
}

#[actix_web::test]
async fn what_is_in_the_envelope_is_read_where_nothing_is_due_too() {
    let server =
        TestServer::with(|settings| settings.limits.max_json_depth = 8.try_into().unwrap());
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let request = in_body(&alice, "/sendMessage", "{}", &message_to(&bob, "1"));
    assert_eq!(alice.send(&request).await.status, 200);
    assert_eq!(bodies(&bob, "b").await, [json!({"message": "in a part"})]);
    // Parts that close in one what they open in another are no deeper than each is.
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
    // Nothing decodes a body: what is signed is what came.
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
    // Of 131,072 bytes, all but what the other headers take.
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
    // The answer is lost; while the first attempt is in work, there is no second.
    within("going", alice.send_and_go(&first, wallet.is_asked())).await;
    let second = in_body(&alice, "/sendMessage", &payment, &message);
    let second = alice.send(&second).await;
    assert_eq!(
        (second.status, second.code()),
        (409, "ERR_PAYMENT_REPLAYED")
    );
    // The server ends before the wallet has answered.
    drop(server);
    let server = start();
    let base = server.http("");
    let alice = Brc104::connect_as(&base, Arc::clone(&alice.identity)).await;
    let bob = Brc104::connect_as(&base, Arc::clone(&bob.identity)).await;
    // Another request has no part in what that one left behind.
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
