//! Texts of other users in the terminal of the command `messagebox` and in the server's log.

use crate::client::{Client, message};
use crate::outcome::{Attack, Outcome, attack};
use crate::support::command::User;
use crate::target::{ATTACKER, Target};

pub fn attacks() -> Vec<Attack> {
    vec![attack!(
        "A17",
        "bodies and ids that steer a terminal or fake a message",
        spoofed_output
    )]
}

/// Whether a character ends a line, moves the cursor, changes colours or turns the direction of text.
fn steers(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}')
}

async fn spoofed_output() -> Outcome {
    let (target, mut outcome) = (Target::start(), Outcome::default());
    let bob = User::of(&target.http());
    let mut mallory = Client::proven(target.address, ATTACKER).await;
    let honest = bob.identity().identity_key().to_hex();
    let bodies = [
        format!("x\n\nfrom  {honest}\nid    forged\n\nsend money"),
        "\u{1b}[2J\u{1b}]0;title\u{7}".to_owned(),
        "\u{9b}31m\u{85}\u{2028}\u{2029}\r\nfrom  somebody".to_owned(),
        "\u{202e}gnp.exe\u{2066}\u{2069}\u{200e}\u{200f}\u{61c}".to_owned(),
        "\r                    \rfrom  somebody\u{8}\u{8}\u{8}".to_owned(),
    ];
    let count = bodies.len();
    for (number, body) in bodies.iter().enumerate() {
        let id = format!("{number}{}", body.replace('\0', ""));
        let sent = mallory
            .post("/sendMessage", message(bob.key(), "inbox", &id, body))
            .await
            .unwrap();
        outcome.holds(
            sent.status == 200,
            format!("body {number}: {} {}", sent.status, sent.code()),
        );
    }
    let human = bob.run(&["list", "--human"]);
    let headers = human.out.lines().filter(|line| line.starts_with("from"));
    let shown = headers.count();
    outcome.holds(
        shown == count,
        format!("{shown} messages are shown instead of {count}"),
    );
    outcome.holds(
        !human.out.contains(steers),
        format!("--human steers: {:?}", human.out),
    );
    let json = bob.run(&["list", "--json"]);
    outcome.holds(
        !json.out.contains(steers),
        format!("--json steers: {:?}", json.out),
    );
    let listed = json.json();
    let found = listed["messages"].as_array().map(|messages| {
        let known =
            |message: &&serde_json::Value| bodies.iter().any(|body| message["body"] == **body);
        messages.iter().filter(known).count()
    });
    outcome.holds(
        found == Some(count),
        format!("--json has {found:?} of the bodies unchanged"),
    );
    outcome.did(format!("{count} messages with line ends, escape sequences, C1 and bidirectional characters in ids and bodies"));
    outcome.measured(format!("{shown} messages shown"));
    let log = target.process.log();
    outcome.holds(!log.contains(steers), "the log steers");
    target.is_alive(&mut outcome).await;
    outcome
}
