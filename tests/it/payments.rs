//! Payments under pressure: a coin that is spent twice, slow wallets, clients that disconnect, requests that fail.

mod requests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use messagebox::config::Secret;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::fees::{bodies, connect, key, send, set};
use crate::support::brc104::Brc104;
use crate::support::minting::Mint;
use crate::support::payer::{Payment, anyone};
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
    // The second payment with the same transaction is named by its own output.
    let same = send(&alice, &to, "chat", "2", &one).await;
    assert_eq!(same.code(), "ERR_PAYMENT_REUSED");
    let reason = same.json["description"].as_str().unwrap();
    assert!(
        reason.ends_with(".0 has been used before") && !reason.contains(&named),
        "{reason}"
    );
    assert_eq!(bodies(&bob, "chat").await.len(), 1);
    // A refused transaction spends nothing.
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
async fn a_voluntary_payment_counts_once_too() {
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
    // The server reports a message that was sent before. Nothing of this request reaches anybody.
    let other = Payment::default().to(&anyone(), key(&bob), 8).json();
    let sent = send(&alice, &to, "free", "1", &other).await;
    let result = json!({"recipient": key(&bob).to_hex(), "messageId": "1", "alreadySent": true});
    assert_eq!((sent.status, &sent.json["results"][0]), (200, &result));
    let other = send(&alice, &to, "chat", "4", &other).await;
    assert_eq!(other.status, 200, "{:?}", other.json);
    assert_eq!(other.json["results"][0].get("alreadySent"), None);
}

/// Anyone who sees a transaction can name its outputs, for a message that costs nothing.
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

/// A wallet that holds back its answer to the first request until the test releases it.
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
        eventually("a request to the wallet", || {
            !self.remote.requests().is_empty()
        })
        .await;
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
async fn a_block_that_is_set_during_a_payment_does_not_refuse_its_message() {
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
async fn a_payment_taken_for_a_refused_message_pays_for_another() {
    let wallet = SlowWallet::start();
    let server = wallet.server();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let carol = connect(&server).await;
    let payment = to_server(&server, &alice);
    let to = [key(&bob)];
    let sending = send(&alice, &to, "chat", "1", &payment);
    let meanwhile = async {
        wallet.is_asked().await;
        // Another sender uses this id first. The payment is good for one thing at a time.
        let own = to_server(&server, &carol);
        assert_eq!(send(&carol, &to, "chat", "1", &own).await.status, 200);
        let other = send(&alice, &to, "chat", "2", &payment).await;
        assert_eq!((other.status, other.code()), (400, "ERR_PAYMENT_REUSED"));
        wallet.answer();
    };
    let (sent, ()) = within("both", async { tokio::join!(sending, meanwhile) }).await;
    assert_eq!((sent.status, sent.code()), (400, "ERR_DUPLICATE_MESSAGE"));
    let before = wallet.remote.requests().len();
    // It belongs to Alice alone.
    let stolen = send(&carol, &to, "chat", "3", &payment).await;
    assert_eq!((stolen.status, stolen.code()), (400, "ERR_PAYMENT_REUSED"));
    let anew = send(&alice, &to, "chat", "3", &payment).await;
    assert_eq!(anew.status, 200, "{:?}", anew.json);
    assert_eq!(
        wallet.remote.requests().len(),
        before,
        "the wallet got two requests for one payment"
    );
    let used = send(&alice, &to, "chat", "4", &payment).await;
    assert_eq!((used.status, used.code()), (400, "ERR_PAYMENT_REUSED"));
}

#[actix_web::test]
async fn a_second_payment_for_one_message_pays_for_another() {
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
    let before = wallet.remote.requests().len();
    let anew = send(&alice, &to, "chat", "2", &payment).await;
    assert_eq!(anew.status, 200, "{:?}", anew.json);
    assert_eq!(wallet.remote.requests().len(), before, "the wallet has it");
    let used = send(&alice, &to, "chat", "3", &payment).await;
    assert_eq!((used.status, used.code()), (400, "ERR_PAYMENT_REUSED"));
    assert_eq!(bodies(&bob, "chat").await.len(), 2);
}

#[actix_web::test]
async fn a_paid_message_is_stored_after_its_client_has_disconnected() {
    let wallet = SlowWallet::start();
    let server = wallet.server();
    let (alice, bob) = (connect(&server).await, connect(&server).await);
    let body = json!({
        "message": {"recipient": key(&bob).to_hex(), "messageBox": "chat", "messageId": "1", "body": "hello"},
        "payment": to_server(&server, &alice),
    });
    let request = alice.request("POST", "/sendMessage", body.to_string());
    let gone = alice.send_and_go(&request, wallet.is_asked());
    within("the client to disconnect", gone).await;
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
    let wallet = Remote::start(|request| {
        let accepted = request.json["description"] != "refuse me";
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
