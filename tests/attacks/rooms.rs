//! Rooms of other identities, in every spelling.

use std::time::Duration;

use serde_json::json;

use crate::client::{Client, message};
use crate::member::Member;
use crate::outcome::{Attack, Outcome, attack};
use crate::target::{ATTACKER, OTHERS, Target};

pub fn attacks() -> Vec<Attack> {
    vec![attack!(
        "rooms",
        "28 spellings of another's room",
        spellings
    )]
}

fn spellings_of(his: &str, hers: &str) -> Vec<String> {
    let upper = his.to_uppercase();
    let look_alike = his.replace(['0', 'a'], "\u{430}");
    vec![
        format!("{his}-inbox"),
        format!("{upper}-inbox"),
        format!(" {his}-inbox"),
        format!("{his}-inbox "),
        format!("\t{his}-inbox"),
        format!("{his}\0-inbox"),
        format!("\u{feff}{his}-inbox"),
        format!("\u{200b}{his}-inbox"),
        format!("{his}\u{2010}inbox"),
        format!("{his}\u{2212}inbox"),
        format!("{his}_inbox"),
        format!("{his}inbox"),
        format!("{his} - inbox"),
        format!("{his}--inbox"),
        format!("{}-inbox", his.split_at(64).0),
        format!("{his}0-inbox"),
        his.to_owned(),
        format!("{his}-"),
        format!("0x{his}-inbox"),
        format!("{look_alike}-inbox"),
        format!("{his}-{hers}-inbox"),
        format!("-{his}-inbox"),
        format!("%{his}-inbox"),
        format!("{his}%2dinbox"),
        format!("{his}/inbox"),
        format!("{his}\n-inbox"),
        format!("../{his}-inbox"),
        format!("{his}-inbox\u{202e}"),
    ]
}

async fn spellings() -> Outcome {
    let (target, mut outcome) = (Target::start(), Outcome::default());
    let mut bob = Member::connect(target.address, OTHERS).await;
    let mut mallory = Member::connect(target.address, ATTACKER).await;
    let rooms = spellings_of(&bob.key().to_hex(), &mallory.key().to_hex());
    let mut joined = Vec::new();
    for room in &rooms {
        mallory.emit("joinRoom", &json!(room)).await;
        match mallory.event().await {
            Some((event, _)) if event == "joinFailed" => {}
            other => joined.push(format!("{room:?}: {other:?}")),
        }
        mallory.emit("leaveRoom", &json!(room)).await;
        mallory.event().await;
    }
    outcome.holds(joined.is_empty(), format!("joined {joined:?}"));
    let mut alice = Client::proven(target.address, OTHERS).await;
    let sent = alice
        .post("/sendMessage", message(bob.key(), "inbox", "1", "secret"))
        .await
        .unwrap();
    outcome.holds(
        sent.status == 200,
        format!("a message to bob: {}", sent.status),
    );
    // `leaveRoom` removed nobody else from the room.
    let received = tokio::time::timeout(Duration::from_secs(5), bob.event()).await;
    let is_delivered =
        matches!(&received, Ok(Some((event, _))) if event.starts_with("sendMessage-"));
    outcome.holds(is_delivered, format!("Bob receives {received:?}"));
    let own = mallory.room("inbox").as_str().to_owned();
    let frame = mallory.message_frame(&own, "own", "x");
    mallory.send_text(frame).await;
    for _ in 0..2 {
        let Some((event, data)) = mallory.event().await else {
            break;
        };
        outcome.holds(
            data["messageId"] == "own",
            format!("Mallory receives {event}: {data}"),
        );
    }
    outcome.did(format!(
        "{} spellings joined and left by a stranger, then a message to their owner",
        rooms.len()
    ));
    outcome.measured(format!("{} joined", joined.len()));
    target.is_alive(&mut outcome).await;
    outcome
}
