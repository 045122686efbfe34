//! Push notifications: thousands of messages to one key with fifty devices.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, message};
use crate::crew::Crew;
use crate::outcome::{Attack, Outcome, attack};
use crate::support::eventually;
use crate::support::remote::{Remote, RemoteRequest};
use crate::target::{ATTACKER, OTHERS, Target, sample};
use crate::users::Users;

/// The key of the service account. It is published, so it protects nothing.
const KEY: &str = include_str!("../keys/worthless_rsa.pem");
const SEND: &str = "/v1/projects/the-project/messages:send";
/// The time that Google takes here for each notification.
const EACH: Duration = Duration::from_millis(2);

pub fn attacks() -> Vec<Attack> {
    vec![attack!(
        "A13",
        "a flood of messages to itself, notified on 50 devices",
        notifications
    )]
}

fn google() -> (Remote, String) {
    let remote = Remote::start(|request: &RemoteRequest| {
        if request.path == "/token" {
            return (200, json!({"access_token": "token", "expires_in": 3_600})).into();
        }
        std::thread::sleep(EACH);
        (200, json!({"name": "projects/the-project/messages/1"})).into()
    });
    let account = json!({
        "type": "service_account", "project_id": "the-project", "private_key_id": "key-1",
        "private_key": KEY, "client_email": "push@the-project.example",
        "token_uri": format!("{}/token", remote.url),
    });
    (remote, account.to_string())
}

async fn register(client: &mut Client, count: usize) {
    for number in 0..count {
        let token = format!("{} {number}", client.key().to_hex());
        let device = json!({"fcmToken": token, "deviceId": number.to_string()}).to_string();
        let registered = client.post("/registerDevice", device).await.unwrap();
        assert_eq!(registered.status, 200, "{:?}", registered.json);
    }
}

async fn dropped(target: &Target) -> f64 {
    let start = r#"messagebox_push_notifications_total{outcome="dropped""#;
    sample(&target.metrics().await, start)
}

async fn notifications() -> Outcome {
    const MESSAGES: usize = 11_000;
    let mut outcome = Outcome::default();
    let (google, account) = google();
    let target = Target::with(&[
        ("ENABLE_FIREBASE", "true"),
        ("FIREBASE_SERVICE_ACCOUNT_JSON", &account),
        ("FIREBASE_ENDPOINT", &google.url),
        ("PUSH_BOXES", "notified"),
        ("MESSAGEBOX_FEES", "notified=0"),
    ]);
    let address = target.address;
    let mut other = Client::proven(address, OTHERS).await;
    register(&mut other, 1).await;
    let users = Users::at_both(address).await;
    let crew = Crew::start(move |stop| async move {
        let mut client = Client::proven(address, ATTACKER).await;
        register(&mut client, 50).await;
        let identity = client.signer.identity.clone();
        let send = async |lane: usize| {
            let own = Client::connect_as(address, ATTACKER, identity.clone()).await;
            let (mut client, mut sent) = (own.unwrap(), 0);
            for number in 0..MESSAGES / 16 {
                if stop.is_set() {
                    break;
                }
                // A session remembers 4,096 nonces.
                let body = message(client.key(), "notified", &format!("{lane} {number}"), "x");
                let reply = client.post("/sendMessage", body).await;
                sent += usize::from(reply.is_ok_and(|reply| reply.status == 200));
            }
            sent
        };
        let counts = futures_util::future::join_all((0..16).map(send)).await;
        counts.into_iter().sum::<usize>()
    });
    // The server drops notifications once the queue of this recipient is full.
    for _ in 0..300 {
        if dropped(&target).await > 0.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    users.attack_begins();
    let token = json!(format!("{} 0", other.key().to_hex()));
    let is_others =
        |request: &RemoteRequest| request.path == SEND && request.json["message"]["token"] == token;
    let (mut longest, mut lost) = (Duration::ZERO, 0);
    for number in 0..5 {
        let body = message(other.key(), "notified", &number.to_string(), "x");
        let sent = other.post("/sendMessage", body).await.unwrap();
        outcome.holds(
            sent.status == 200,
            format!("another's message: {}", sent.status),
        );
        let begun = Instant::now();
        let come = eventually("the notification of another recipient", || {
            google
                .requests()
                .iter()
                .filter(|request| is_others(request))
                .count()
                > number
        });
        match tokio::time::timeout(Duration::from_secs(5), come).await {
            Ok(()) => longest = longest.max(begun.elapsed()),
            Err(_) => lost += 1,
        }
    }
    users.judge(&mut outcome).await;
    let sent = crew.stopped().await;
    let request: Vec<Value> = google
        .requests()
        .into_iter()
        .map(|request| request.json)
        .collect();
    let dropped = dropped(&target).await;
    outcome.holds(dropped > 0.0, "its queue was never full");
    outcome.did(format!(
        "{sent} messages to itself, {} notifications sent, {dropped} dropped",
        request.len()
    ));
    outcome.measured(format!(
        "another's notification after {} ms at most",
        longest.as_millis()
    ));
    outcome.holds(
        lost == 0,
        format!("{lost} of 5 notifications of another not within 5 s"),
    );
    target.is_within_budget(&mut outcome).await;
    outcome
}
