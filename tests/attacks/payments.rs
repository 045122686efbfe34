//! Payments: claims on outputs of others, outputs that no wallet was offered, and checks that cost much.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use messagebox::ids::IdentityKey;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::client::{Client, Reply};
use crate::crew::Crew;
use crate::outcome::{Attack, Outcome, attack};
use crate::support::eventually;
use crate::support::minting::Mint;
use crate::support::payer::{Payment, anyone};
use crate::support::remote::{Remote, Reply as Answer};
use crate::target::{ATTACKER, KEY, OTHERS, Target, server_binary};
use crate::users::Users;

/// The fee for a message to the box `chat`.
const FEES: (&str, &str) = ("MESSAGEBOX_FEES", "chat=10");

pub fn attacks() -> Vec<Attack> {
    vec![
        attack!(
            "A12",
            "naming another's transaction beside a free message",
            stolen_outputs
        ),
        attack!(
            "A15",
            "an output that was never offered to the wallet",
            unoffered_output
        ),
        attack!(
            "A16",
            "four keys, one refused BEEF that is costly to check",
            one_costly_beef
        ),
        attack!(
            "A16",
            "four keys, a new costly BEEF each time",
            many_costly_beefs
        ),
        attack!("beefs", "3,000 variations of one payment", mutated_payments),
    ]
}

async fn send(
    client: &mut Client,
    to: IdentityKey,
    message_box: &str,
    id: &str,
    payment: &Value,
) -> Reply {
    let body = json!({
        "message": {"recipient": to.to_hex(), "messageBox": message_box, "messageId": id, "body": "x"},
        "payment": payment,
    });
    client
        .post("/sendMessage", body.to_string())
        .await
        .expect("an answer")
}

/// The payer of each payment that the server has taken, as operators export them.
fn exported(target: &Target) -> Vec<String> {
    let output = Command::new(server_binary())
        .arg("--export-payments")
        .env_clear()
        .env("DATA_DIR", target.folder())
        .env("CONFIG_DIR", target.folder())
        .env("NODE_ENV", "production")
        .env("SERVER_PRIVATE_KEY", KEY)
        .env("DATABASE_URL", target.database.url())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let payer = |line: &str| {
        let payment: Value = serde_json::from_str(line).unwrap();
        payment["payer"].as_str().unwrap().to_owned()
    };
    text.lines().map(payer).collect()
}

async fn stolen_outputs() -> Outcome {
    let (target, mut outcome) = (Target::with(&[FEES]), Outcome::default());
    let mut alice = Client::connect(target.address, OTHERS).await;
    let bob = Client::connect(target.address, OTHERS).await.key();
    let mut mallory = Client::connect(target.address, ATTACKER).await;
    let payment = Payment::default()
        .to(&alice.signer.identity, Target::key(), 10)
        .json();
    let mut renamed = payment.clone();
    renamed["outputs"][0]["paymentRemittance"]["senderIdentityKey"] = json!(mallory.key().to_hex());
    let bare = json!({"tx": payment["tx"], "outputs": [{"outputIndex": 0}]});
    let twice = json!({"tx": payment["tx"], "outputs": [{"outputIndex": 0}, {"outputIndex": 0}]});
    for (number, (message_box, stolen)) in [
        ("free", &bare),
        ("free", &payment),
        ("free", &renamed),
        ("free", &twice),
        ("chat", &renamed),
        ("chat", &bare),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = send(
            &mut mallory,
            bob,
            message_box,
            &format!("m{number}"),
            stolen,
        )
        .await;
        let is_paid = message_box == "chat" && answer.status == 200;
        outcome.holds(
            !is_paid,
            format!("mallory pays with alice's output: {stolen}"),
        );
    }
    let paid = send(&mut alice, bob, "chat", "a", &payment).await;
    outcome.holds(
        paid.status == 200,
        format!("the payer: {} {}", paid.status, paid.code()),
    );
    let payers = exported(&target);
    outcome.holds(
        payers == [alice.key().to_hex()],
        format!("exported: {payers:?}"),
    );
    outcome.did("six messages of a stranger that name the output, then its payer pays with it");
    outcome.measured(format!(
        "the payer is answered {}, the export lists {}",
        paid.status,
        payers.len()
    ));
    target.is_alive(&mut outcome).await;
    outcome
}

async fn unoffered_output() -> Outcome {
    let mut outcome = Outcome::default();
    let (gate, first) = (Arc::new(Semaphore::new(0)), AtomicUsize::new(0));
    let held_by = Arc::clone(&gate);
    let wallet = Remote::start(move |_| {
        let is_first = first.fetch_add(1, Ordering::SeqCst) == 0;
        Answer {
            held_by: is_first.then(|| Arc::clone(&held_by)),
            ..Answer::from((200, json!({"accepted": true})))
        }
    });
    let target = Target::with(&[FEES, ("WALLET_URL", &wallet.url)]);
    let mut alice = Client::connect(target.address, OTHERS).await;
    let bob = Client::connect(target.address, OTHERS).await.key();
    let mut carol = Client::connect(target.address, OTHERS).await;
    let payer = Arc::clone(&alice.signer.identity);
    let both = Payment::default()
        .to(&payer, Target::key(), 10)
        .to(&payer, Target::key(), 10)
        .json();
    let of = |indexes: &[usize]| {
        let outputs = indexes.iter().map(|index| both["outputs"][*index].clone());
        json!({"tx": both["tx"], "outputs": outputs.collect::<Vec<_>>(), "description": "for a message"})
    };
    let (only_first, swapped) = (of(&[0]), of(&[1, 0]));
    // The first request fails after the wallet took output 0: another sender used its message id first.
    let meanwhile = async {
        eventually("a request to the wallet", || !wallet.requests().is_empty()).await;
        let own = Payment::default()
            .to(&carol.signer.identity, Target::key(), 10)
            .json();
        let faster = send(&mut carol, bob, "chat", "1", &own).await.status;
        gate.add_permits(1);
        faster
    };
    let (failed, faster) = tokio::join!(send(&mut alice, bob, "chat", "1", &only_first), meanwhile);
    outcome.holds(
        faster == 200 && failed.status == 400,
        format!("the first request: {} {}", failed.status, failed.code()),
    );
    let request = wallet.requests().len();
    let second = send(&mut alice, bob, "chat", "2", &swapped).await;
    let offered = wallet.requests().split_off(request);
    let index = |request: &crate::support::remote::RemoteRequest| {
        request.json["outputs"][0]["outputIndex"].clone()
    };
    let offered: Vec<Value> = offered.iter().map(index).collect();
    outcome.holds(
        second.status != 200 || offered == [json!(1)],
        format!("{} with {offered:?} offered", second.status),
    );
    outcome.did("request 1 fails after the wallet took output 0; request 2 names output 1 for the server, 0 for the recipient");
    outcome.measured(format!(
        "request 2 is answered {}, the wallet was offered {offered:?}",
        second.status
    ));
    target.is_alive(&mut outcome).await;
    outcome
}

/// A payment that the server refuses. Its check costs about as much as any may: 85 signature checks over 80 KB of
/// outputs.
fn costly() -> Value {
    // OP_2DUP OP_CHECKSIG OP_DROP, and OP_2DROP OP_FALSE.
    let script = [[0x6e, 0xac, 0x75].repeat(85), vec![0x6d, 0x00]].concat();
    Payment::default()
        .to(&anyone(), Target::key(), 10)
        .with_data(80_000)
        .minted_by(&Mint::new().locked_by(script))
}

/// Pays for one message after the other. Returns the time of each.
async fn pay(client: &mut Client, to: IdentityKey, name: &str, count: usize) -> Vec<Duration> {
    let payer = Arc::clone(&client.signer.identity);
    let made: Vec<Value> = (0..count)
        .map(|_| Payment::default().to(&payer, Target::key(), 10).json())
        .collect();
    let mut times = Vec::new();
    for (number, payment) in made.iter().enumerate() {
        let begun = Instant::now();
        let answer = send(client, to, "chat", &format!("{name} {number}"), payment).await;
        assert_eq!(
            answer.status, 200,
            "a payment of a light user: {:?}",
            answer.json
        );
        times.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    times.sort_unstable();
    times
}

async fn costly_beefs(made: usize) -> Outcome {
    let (target, mut outcome) = (Target::with(&[FEES]), Outcome::default());
    let beefs: Vec<Value> = (0..made).map(|_| costly()).collect();
    let mut payer = Client::proven(target.address, OTHERS).await;
    let users = Users::elsewhere(target.address).await;
    let bob = Client::proven(target.address, OTHERS).await.key();
    let idle = pay(&mut payer, bob, "idle", 10).await;
    let address = target.address;
    let crew = Crew::start(move |stop| async move {
        let attacker = async |number: usize| {
            let mut client = Client::proven(address, ATTACKER).await;
            let mut statuses = Vec::new();
            let own = beefs.iter().skip(number * beefs.len() / 4).cycle();
            for (n, beef) in own.take(2_000).enumerate() {
                if stop.is_set() {
                    break;
                }
                // To a recipient without a fee, and to a box with one.
                let answer = send(&mut client, bob, "chat", &format!("{number} {n}"), beef).await;
                statuses.push((answer.status, answer.json["description"].to_string()));
            }
            statuses
        };
        let all = join_all((0..4).map(attacker)).await;
        all.concat()
    });
    users.attack_begins();
    let beside = pay(&mut payer, bob, "beside", 20).await;
    users.judge(&mut outcome).await;
    let statuses = crew.stopped().await;
    let refused = statuses.iter().filter(|(status, _)| *status >= 400).count();
    let ran = |(_, answer): &&(u16, String)| answer.contains("not signed");
    let checked = statuses.iter().filter(ran).count();
    let distinct = statuses.iter().collect::<std::collections::BTreeSet<_>>();
    outcome.did(format!(
        "4 keys sent {} payments of 84 KB, made of {made}, answered {distinct:?}",
        statuses.len()
    ));
    outcome.holds(
        refused == statuses.len() && refused > 0,
        "a costly payment was taken",
    );
    outcome.holds(checked > 0, "no script of a costly payment was run");
    let (idle, p50, worst) = (idle[5], beside[10], beside[19]);
    outcome.measured(format!(
        "a payment elsewhere: idle {idle:?}, beside p50 {p50:?}, longest {worst:?}"
    ));
    let bound = 20 * idle.max(Duration::from_millis(10));
    outcome.holds(
        p50 <= bound,
        format!("a payment elsewhere takes {p50:?}, over {bound:?}"),
    );
    target.is_within_budget(&mut outcome).await;
    outcome
}

async fn one_costly_beef() -> Outcome {
    costly_beefs(1).await
}

async fn many_costly_beefs() -> Outcome {
    costly_beefs(40).await
}

async fn mutated_payments() -> Outcome {
    const VARIATIONS: usize = 3_000;
    let (target, mut outcome) = (Target::with(&[FEES]), Outcome::default());
    let users = Users::elsewhere(target.address).await;
    let bob = Client::proven(target.address, OTHERS).await.key();
    let (address, server) = (target.address, Target::key());
    let crew = Crew::start(move |_| async move {
        let mut client = Client::proven(address, ATTACKER).await;
        let good = Payment::default()
            .to(&client.signer.identity, server, 10)
            .json();
        let bytes: Vec<u8> = serde_json::from_value(good["tx"].clone()).unwrap();
        let (mut taken, mut odd) = (0, Vec::new());
        for number in 0..VARIATIONS {
            let mut other = bytes.clone();
            let at = rand::random_range(0..other.len());
            match number % 4 {
                0 => other[at] ^= 1 << rand::random_range(0..8),
                1 => other[at] = rand::random(),
                2 => other.truncate(at),
                _ => {
                    let until = (at + rand::random_range(1..9)).min(other.len());
                    let piece = other[at..until].to_vec();
                    other.splice(at..at, piece);
                }
            }
            let mut payment = good.clone();
            payment["tx"] = json!(other);
            let answer = send(&mut client, bob, "chat", &number.to_string(), &payment).await;
            match answer.status {
                200 => taken += 1,
                400 => {}
                status => odd.push(format!("{status} {}", answer.code())),
            }
        }
        (taken, odd)
    });
    users.attack_begins();
    let (taken, odd) = crew.done().await;
    users.judge(&mut outcome).await;
    outcome.did("bits, bytes, cuts and repetitions in the BEEF of one good payment");
    // Without a block header service, the server takes a changed proof for a good one. The coin still pays once.
    outcome.at_most("messages that the coin has paid for", taken, 1);
    outcome.at_most(
        "messages stored for its price",
        target.stored(bob) as u64,
        1,
    );
    outcome.holds(odd.is_empty(), format!("other answers: {odd:?}"));
    target.is_within_budget(&mut outcome).await;
    outcome
}
