//! `bsv-messagebox-client` of crates.io against the real server: HTTP, live, PeerPay, and a restart of the server.
//!
//! Run it with `MESSAGEBOX_SERVER` set. It exits with 0 if every conversation succeeds.

mod server;
mod wallet;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bsv::services::overlay_tools::Network;
use bsv_messagebox_client::{IncomingPayment, MessageBoxClient, SetPermissionParams};
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver};
use tokio::time::{sleep, timeout};

use server::TestServer;
use wallet::Purse;

const WAIT: Duration = Duration::from_secs(30);

struct Party {
    client: MessageBoxClient<Purse>,
    purse: Purse,
    key: String,
}

impl Party {
    async fn new(host: &str) -> Self {
        let purse = Purse::new();
        // No overlay listens at port 1, so the client always uses the given host.
        let nowhere = Network::Custom(vec!["http://127.0.0.1:1".into()]);
        let client = MessageBoxClient::new(host.into(), purse.clone(), None, nowhere);
        let key = client.get_identity_key().await.expect("its key");
        Self { client, purse, key }
    }

    /// Sends the sender and body of each live message to the channel.
    async fn listen(&self, message_box: &str) -> UnboundedReceiver<(String, String)> {
        let (sender, receiver) = unbounded_channel();
        let take = Arc::new(move |message: bsv::remittance::types::PeerMessage| {
            let _ = sender.send((message.sender, message.body));
        });
        self.client
            .listen_for_live_messages(message_box, take, None)
            .await
            .expect("it listens");
        receiver
    }

    async fn send_live(&self, to: &Self, message_box: &str, body: &str) -> bool {
        self.client
            .send_live_message(&to.key, message_box, body, false, false, None, None)
            .await
            .expect("it is sent")
            .is_live()
    }
}

async fn next<T>(receiver: &mut UnboundedReceiver<T>, what: &str) -> T {
    timeout(WAIT, receiver.recv())
        .await
        .unwrap_or_else(|_| panic!("{what} did not come"))
        .unwrap_or_else(|| panic!("{what}: the listener ended"))
}

async fn over_http(host: String) {
    let (alice, bob) = (Party::new(&host).await, Party::new(&host).await);
    for body in ["hello €", "{\"a\":1}"] {
        alice
            .client
            .send_message(&bob.key, "inbox", body, false, false, None, None)
            .await
            .expect("it is sent");
    }
    let listed = bob
        .client
        .list_messages("inbox", true, None)
        .await
        .expect("the list");
    let bodies: Vec<_> = listed
        .iter()
        .map(|message| (message.sender.as_str(), message.body.as_str()))
        .collect();
    assert_eq!(
        bodies,
        [
            (alice.key.as_str(), "hello €"),
            (alice.key.as_str(), "{\"a\":1}")
        ]
    );
    assert_eq!(
        bob.client
            .list_messages_lite("inbox", None)
            .await
            .expect("the list")
            .len(),
        2
    );
    let ids = listed
        .into_iter()
        .map(|message| message.message_id)
        .collect();
    bob.client
        .acknowledge_message(ids, None)
        .await
        .expect("it is acknowledged");
    assert!(bob
        .client
        .list_messages("inbox", true, None)
        .await
        .expect("the list")
        .is_empty());
}

async fn permissions_and_devices(host: String) {
    let (alice, bob) = (Party::new(&host).await, Party::new(&host).await);
    let blocked = SetPermissionParams {
        message_box: "chat".into(),
        sender: Some(alice.key.clone()),
        recipient_fee: -1,
    };
    bob.client
        .set_message_box_permission(blocked, None)
        .await
        .expect("it is set");
    let set = bob
        .client
        .get_message_box_permission(&bob.key, "chat", Some(&alice.key), None)
        .await
        .expect("the permission")
        .expect("there is one");
    assert_eq!((set.recipient_fee, set.status()), (-1, "blocked"));
    let none = bob
        .client
        .get_message_box_permission(&bob.key, "other", None, None)
        .await;
    assert!(none.expect("an answer").is_none());
    let listed = bob
        .client
        .list_message_box_permissions(Some("chat"), None, None, None)
        .await;
    assert_eq!(listed.expect("the list").len(), 1);
    let refused = alice
        .client
        .send_message(&bob.key, "chat", "x", false, false, None, None)
        .await;
    assert!(refused.is_err(), "a blocked sender is refused");
    // `get_message_box_quote` reads a header that the SDK never passes on, so no server can answer it.
    let token = format!("token of {}", alice.key);
    let registered = alice
        .client
        .register_device(&token, Some("mine"), Some("web"), None)
        .await
        .expect("it is registered");
    assert_eq!(registered.status, "success");
    let devices = alice
        .client
        .list_registered_devices(None)
        .await
        .expect("the devices");
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].active, Some(true));
}

async fn live(host: String) {
    let (alice, bob) = (Party::new(&host).await, Party::new(&host).await);
    let (mut at_alice, mut at_bob) = (alice.listen("inbox").await, bob.listen("inbox").await);
    for n in 0..20 {
        let body = format!("to bob {n}");
        assert!(
            alice.send_live(&bob, "inbox", &body).await,
            "acknowledged on the socket"
        );
        assert_eq!(next(&mut at_bob, &body).await, (alice.key.clone(), body));
    }
    assert!(
        bob.send_live(&alice, "inbox", "to alice").await,
        "acknowledged on the socket"
    );
    assert_eq!(
        next(&mut at_alice, "to alice").await,
        (bob.key.clone(), "to alice".into())
    );
    bob.client
        .leave_room("inbox", None)
        .await
        .expect("it leaves");
    for party in [&alice, &bob] {
        party
            .client
            .disconnect_web_socket()
            .await
            .expect("it disconnects");
    }
}

async fn peer_pay(host: String) {
    let (alice, bob) = (Party::new(&host).await, Party::new(&host).await);
    let (sender, mut payments) = unbounded_channel::<IncomingPayment>();
    let take = Arc::new(move |payment| {
        let _ = sender.send(payment);
    });
    bob.client
        .listen_for_live_payments(take)
        .await
        .expect("it listens");
    alice
        .client
        .send_live_payment(&bob.key, 1_000)
        .await
        .expect("it is paid");
    let payment = next(&mut payments, "the payment").await;
    assert_eq!(
        (payment.token.amount, payment.sender.as_str()),
        (1_000, alice.key.as_str())
    );
    bob.client
        .accept_payment(&payment)
        .await
        .expect("it is accepted");
    assert_eq!(
        *bob.purse.received.lock().expect("the lock"),
        [1_000_u64.to_be_bytes().to_vec()]
    );
    assert!(bob
        .client
        .list_incoming_payments()
        .await
        .expect("the list")
        .is_empty());

    alice
        .client
        .send_payment(&bob.key, 500)
        .await
        .expect("it is paid");
    let waiting = bob.client.list_incoming_payments().await.expect("the list");
    assert_eq!(
        waiting
            .iter()
            .map(|payment| payment.token.amount)
            .collect::<Vec<_>>(),
        [500]
    );
    bob.client
        .reject_payment(&waiting[0])
        .await
        .expect("it is rejected");
    assert!(bob
        .client
        .list_incoming_payments()
        .await
        .expect("the list")
        .is_empty());
}

async fn through_a_restart(mut server: TestServer) {
    let host = server.host();
    let (alice, bob) = (Party::new(&host).await, Party::new(&host).await);
    let mut at_bob = bob.listen("inbox").await;
    assert!(alice.send_live(&bob, "inbox", "before").await);
    assert_eq!(next(&mut at_bob, "before").await.1, "before");
    server.restart();
    let deadline = Instant::now() + WAIT;
    // The client notices the lost socket by itself.
    for n in 0.. {
        assert!(
            Instant::now() < deadline,
            "no message went live after the restart"
        );
        let sent = alice
            .client
            .send_live_message(
                &bob.key,
                "inbox",
                &format!("after {n}"),
                false,
                false,
                None,
                None,
            )
            .await;
        if sent.is_ok_and(|sent| sent.is_live()) {
            let last = format!("after {n}");
            while next(&mut at_bob, &last).await.1 != last {}
            break;
        }
        sleep(Duration::from_millis(300)).await;
    }
    let listed = alice
        .client
        .list_messages("inbox", true, None)
        .await
        .expect("the list");
    assert!(listed.is_empty());
}

/// Runs a conversation. If it fails, the others still run.
async fn step(name: &str, conversation: impl Future<Output = ()> + Send + 'static) -> bool {
    let began = Instant::now();
    println!("{name} ...");
    let passed = tokio::spawn(conversation).await.is_ok();
    let word = if passed { "ok" } else { "FAILED" };
    println!("{name}: {word}, {:.1} s", began.elapsed().as_secs_f32());
    passed
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let server = TestServer::start();
    let host = server.host();
    let passed = [
        step("over HTTP", over_http(host.clone())).await,
        step(
            "permissions and devices",
            permissions_and_devices(host.clone()),
        )
        .await,
        step("live", live(host.clone())).await,
        step("PeerPay", peer_pay(host)).await,
        step("through a restart", through_a_restart(server)).await,
    ];
    std::process::ExitCode::from(u8::from(passed.contains(&false)))
}
