//! Storage: the bytes and messages that one key can store, and names that look like others.

use std::time::Duration;

use serde_json::json;

use crate::client::{Client, LIST, message, message_to_all, strangers};
use crate::member::Member;
use crate::outcome::{Attack, Outcome, attack};
use crate::target::{ATTACKER, OTHERS, Target};
use crate::users::Users;

pub fn attacks() -> Vec<Attack> {
    vec![
        attack!("A8", "filling the disk with one key", filling_the_disk),
        attack!("A8", "sending while the disk is nearly full", nearly_full),
        attack!(
            "A20",
            "a box name that is trimmed on one way only",
            spellings_of_a_box
        ),
    ]
}

async fn filling_the_disk() -> Outcome {
    let (target, mut outcome) = (Target::start(), Outcome::default());
    let users = Users::elsewhere(target.address).await;
    let recipients = strangers(1_000);
    let mut client = Client::proven(target.address, ATTACKER).await;
    users.attack_begins();
    // A request of 230 KB that would store 100 MiB.
    let large = message_to_all(&recipients, "large", &"x".repeat(100 * 1_024));
    let reply = client.post("/sendMessage", large).await.unwrap();
    outcome.holds(
        reply.status == 413,
        format!("copies of 100 MiB: {} {}", reply.status, reply.code()),
    );
    let (mut stored, mut overloaded) = (0, 0);
    let last = loop {
        let body = message_to_all(&recipients, &stored.to_string(), "x");
        let reply = client.post("/sendMessage", body).await.unwrap();
        match reply.status {
            200 => stored += 1,
            503 if overloaded < 50 => {
                overloaded += 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            _ => break reply,
        }
        if stored > 101 {
            break reply;
        }
    };
    let statuses = (
        last.status,
        last.code(),
        last.json["resource"].clone(),
        last.json["limit"].clone(),
    );
    outcome.holds(
        statuses
            == (
                429,
                "ERR_SENDER_QUOTA_EXCEEDED",
                json!("messages"),
                json!(100_000),
            ),
        format!("after {stored} sends to 1,000: {statuses:?}"),
    );
    outcome.at_most("sends to 1,000 recipients that were stored", stored, 100);
    outcome.did("a body of 100 KB to 1,000 recipients, then small ones until the quota");
    // A2 checks how long others wait for large writes.
    users.judge_answers(&mut outcome).await;
    let rows = target.database.count("messages") as u64;
    // The light users store a few rows of their own.
    outcome.at_most("rows", rows, 100_000 + 5_000);
    // Others can still send.
    let mut other = Client::proven(target.address, ATTACKER).await;
    let own = message(other.key(), "inbox", "own", "x");
    let reply = other.post("/sendMessage", own).await.unwrap();
    outcome.holds(
        reply.status == 200,
        format!("another key at the address: {}", reply.status),
    );
    target.is_within_budget(&mut outcome).await;
    outcome
}

async fn nearly_full() -> Outcome {
    let mut outcome = Outcome::default();
    let target = Target::start();
    let mut bob = Client::proven(target.address, OTHERS).await;
    let identity = bob.signer.identity.clone();
    let sent = bob
        .post("/sendMessage", message(bob.key(), "inbox", "1", "x"))
        .await
        .unwrap();
    outcome.holds(sent.status == 200, format!("before: {}", sent.status));
    let target = target.restarted(&[("DB_MIN_FREE_BYTES", "9000000000000000000")]);
    let mut bob = Client::connect_as(target.address, OTHERS, identity)
        .await
        .unwrap();
    let sent = bob
        .post("/sendMessage", message(bob.key(), "inbox", "2", "x"))
        .await
        .unwrap();
    outcome.holds(
        (sent.status, sent.code()) == (503, "ERR_STORAGE_FULL"),
        format!("a send: {} {}", sent.status, sent.code()),
    );
    let mut member = Member::connect(target.address, ATTACKER).await;
    let room = member.room("inbox").as_str().to_owned();
    let ack = member
        .send_message(&room, "3", "x")
        .await
        .unwrap_or_default();
    outcome.holds(ack["code"] == "ERR_STORAGE_FULL", format!("an ack: {ack}"));
    let listed = bob.post("/listMessages", LIST).await.unwrap();
    let count = listed.json["messages"].as_array().map(Vec::len);
    outcome.holds(count == Some(1), format!("a list: {:?}", listed.json));
    let done = bob
        .post("/acknowledgeMessage", r#"{"messageIds":["1"]}"#)
        .await
        .unwrap();
    outcome.holds(
        done.status == 200,
        format!("an acknowledgement: {}", done.status),
    );
    outcome.did(
        "sends by both ways with less free disk than must be, lists and acknowledgements beside",
    );
    outcome.measured("sends refused, what is stored listed and acknowledged");
    target.is_alive(&mut outcome).await;
    outcome
}

async fn spellings_of_a_box() -> Outcome {
    let (target, mut outcome) = (Target::start(), Outcome::default());
    let mut bob = Client::proven(target.address, OTHERS).await;
    let mut mallory = Client::proven(target.address, ATTACKER).await;
    let mut member = Member::connect(target.address, ATTACKER).await;
    let spellings = [
        "inbox",
        " inbox",
        "inbox ",
        "  inbox  ",
        "\tinbox",
        "inbox\n",
        "\u{a0}inbox",
        "\u{feff}inbox",
        "\u{2003}inbox",
        "\u{3000}inbox\u{3000}",
    ];
    for (number, spelling) in spellings.iter().enumerate() {
        // A block applies over both protocols, in every spelling that trims to the same name.
        let block = json!({"messageBox": spelling, "recipientFee": -1}).to_string();
        let blocked = bob.post("/permissions/set", block).await.unwrap();
        outcome.holds(
            blocked.status == 200,
            format!("blocking {spelling:?}: {}", blocked.status),
        );
        let body = message(bob.key(), spelling, &format!("h{number}"), "x");
        let sent = mallory.post("/sendMessage", body).await.unwrap();
        outcome.holds(
            sent.status >= 400,
            format!("{spelling:?} over HTTP: {}", sent.status),
        );
        let room = format!("{}-{spelling}", bob.key().to_hex());
        let id = format!("s{number}");
        let frame = member.message_frame(&room, &id, "x");
        member.send_text(frame).await;
    }
    // The server answers this one after all of these.
    let own = member.room("own").as_str().to_owned();
    member.send_message(&own, "last", "x").await;
    let rows = r#"SELECT b."type" AS "value" FROM "messages" m JOIN "messageBox" b USING ("messageBoxId") WHERE m."recipient" = '"#;
    let stored = target
        .database
        .texts(&format!("{rows}{}'", bob.key().to_hex()));
    outcome.holds(stored.is_empty(), format!("stored in {stored:?}"));
    outcome.did(format!(
        "{} spellings of a box, each blocked, by both ways",
        spellings.len()
    ));
    outcome.measured(format!("{} stored", stored.len()));
    target.is_alive(&mut outcome).await;
    outcome
}
