//! The write queue: acknowledgements of missing messages, and messages to a thousand recipients.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::client::{Client, message_to_all, strangers};
use crate::crew::{Crew, Stop};
use crate::outcome::{Attack, Outcome, attack};
use crate::target::{ATTACKER, Target};
use crate::users::Users;

const TIME: Duration = Duration::from_secs(4);

pub fn attacks() -> Vec<Attack> {
    vec![
        attack!(
            "A1",
            "acknowledging 10,000 ids that need not exist",
            acknowledging
        ),
        attack!(
            "A2",
            "sending to 1,000 recipients in a loop",
            sending_to_many
        ),
    ]
}

/// The number of the attackers' requests by result.
#[derive(Debug, Default)]
struct Answers {
    taken: usize,
    refused: usize,
}

/// Posts these bodies over and over on one connection.
async fn post_on(client: &mut Client, target: &str, bodies: &[String], stop: &Stop) -> Answers {
    let mut answers = Answers::default();
    for body in bodies.iter().cycle() {
        if stop.is_set() {
            break;
        }
        match client.post(target, body.as_str()).await {
            Ok(reply) if reply.status < 429 => answers.taken += 1,
            _ => answers.refused += 1,
        }
    }
    answers
}

async fn acknowledging() -> Outcome {
    let (target, mut outcome) = (Target::start(), Outcome::default());
    let users = Users::at_both(target.address).await;
    let address = target.address;
    let crew = Crew::start(move |stop| async move {
        let mut first = Client::proven(address, ATTACKER).await;
        let identity = first.signer.identity.clone();
        let second = Client::connect_as(address, ATTACKER, identity).await;
        let mut second = second.expect("a second session");
        let empty = json!({"messageIds": vec![""; 10_000]}).to_string();
        let ids: Vec<String> = (0..10_000).map(|n| format!("none {n}")).collect();
        let distinct = json!({ "messageIds": ids }).to_string();
        let bodies = [empty, distinct];
        let target = "/acknowledgeMessage";
        tokio::join!(
            post_on(&mut first, target, &bodies, &stop),
            post_on(&mut second, target, &bodies, &stop),
        )
    });
    users.attack_begins();
    tokio::time::sleep(TIME).await;
    let (one, other) = crew.stopped().await;
    let (taken, refused) = (one.taken + other.taken, one.refused + other.refused);
    outcome.did(format!(
        "1 identity on 2 connections, {taken} requests done, {refused} refused"
    ));
    users.judge(&mut outcome).await;
    target.is_within_budget(&mut outcome).await;
    outcome
}

/// Sends from one identity until its quota is exhausted, then from the next.
async fn send_to_many(address: SocketAddr, recipients: &[String], stop: Stop) -> Answers {
    let mut all = Answers::default();
    while !stop.is_set() {
        let mut client = Client::proven(address, ATTACKER).await;
        for round in 0..90 {
            if stop.is_set() {
                break;
            }
            let id = format!("{round} {}", client.key().to_hex());
            let body = message_to_all(recipients, &id, "a body");
            match client.post("/sendMessage", body).await {
                Ok(reply) if reply.status == 200 => all.taken += 1,
                _ => all.refused += 1,
            }
        }
    }
    all
}

async fn sending_to_many() -> Outcome {
    let (target, mut outcome) = (Target::start(), Outcome::default());
    let users = Users::at_both(target.address).await;
    let address = target.address;
    let recipients = strangers(1_000);
    let crew = Crew::start(move |stop| async move {
        let sending = (0..4).map(|_| send_to_many(address, &recipients, stop.clone()));
        join_all(sending).await
    });
    users.attack_begins();
    tokio::time::sleep(TIME).await;
    let answers = crew.stopped().await;
    let taken: usize = answers.iter().map(|answers| answers.taken).sum();
    let refused: usize = answers.iter().map(|answers| answers.refused).sum();
    outcome.did(format!(
        "4 identities at a time, {taken} sends stored, {refused} refused"
    ));
    let stored = target.database.count("messages");
    outcome.measured(format!("{stored} rows stored"));
    outcome.holds(taken > 0, "the attack did nothing");
    users.judge(&mut outcome).await;
    target.is_within_budget(&mut outcome).await;
    outcome
}
