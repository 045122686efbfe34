//! Requests that were changed on the network, headers that only proxies may write, and names that browsers would run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use messagebox::auth::{Identity, Peer, PeerConfig};
use serde_json::json;

use crate::client::{Client, LIST, ask_raw, connect_from, message, wire};
use crate::crew::Crew;
use crate::outcome::{Attack, Outcome, attack};
use crate::support::brc104::Request;
use crate::support::raw_http;
use crate::target::{ATTACKER, OTHERS, Target};
use crate::users::Users;

pub fn attacks() -> Vec<Attack> {
    vec![
        attack!("signed", "variations of what a request signs", signed_bytes),
        attack!(
            "proxy",
            "a flood of handshakes with forged proxy headers",
            forged_proxy
        ),
        attack!("names", "names and bodies as HTML", names_as_html),
    ]
}

/// Every variation of a valid request that the server must refuse, with its name.
fn variations(right: impl Fn() -> Request) -> Vec<(String, Request)> {
    let mut all: Vec<(String, Request)> = Vec::new();
    for name in right().headers.iter().map(|(name, _)| name.clone()) {
        let value = right().get(&name);
        let last = value
            .chars()
            .last()
            .map_or('x', |c| if c == '0' { '1' } else { '0' });
        let changed = format!("{}{last}", value.split_at(value.len() - 1).0);
        for (kind, value) in [
            ("changed", changed),
            ("twice", format!("{value}, {value}")),
            ("empty", String::new()),
        ] {
            all.push((format!("{name} {kind}"), right().set(&name, value)));
        }
        all.push((format!("without {name}"), right().without(&name)));
        let mut second = right();
        second.headers.push((name.clone(), "other".to_owned()));
        all.push((format!("{name} and another"), second));
    }
    for target in [
        "/listMessages",
        "/sendMessage/x",
        "/sendMessage?x",
        "/sendMessage?x=1",
        "//sendMessage",
        "/%73endMessage",
        "/acknowledgeMessage",
    ] {
        let target = target.to_owned();
        all.push((format!("target {target}"), Request { target, ..right() }));
    }
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let method = method.to_owned();
        all.push((format!("method {method}"), Request { method, ..right() }));
    }
    let whole = right().body;
    let cut = whole[..whole.len() - 1].to_vec();
    let spaced = [&whole[..], b" "].concat();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for (name, body) in [
        ("cut", cut),
        ("longer", spaced),
        ("changed", flipped),
        ("empty", Vec::new()),
    ] {
        all.push((format!("body {name}"), Request { body, ..right() }));
    }
    for name in ["x-bsv-added", "x-bsv-payment"] {
        let mut added = right();
        added.headers.push((name.to_owned(), "1".to_owned()));
        all.push((format!("added {name}"), added));
    }
    all
}

async fn signed_bytes() -> Outcome {
    let (target, mut outcome) = (Target::start(), Outcome::default());
    let mut alice = Client::proven(target.address, OTHERS).await;
    let bob = Client::proven(target.address, OTHERS).await.key();
    let right = || {
        let body = message(bob, "inbox", "1", "hello");
        let request = alice.request("POST", "/sendMessage", body);
        alice.signer.sign(
            request
                .set("x-bsv-note", "signed")
                .set("authorization", "Bearer x"),
        )
    };
    let all = variations(right);
    let last = right();
    for (name, request) in &all {
        let mut stream = connect_from(ATTACKER, target.address).await.unwrap();
        let reply = ask_raw(&mut stream, &wire(request)).await;
        let answer = reply
            .as_ref()
            .map(|reply| (reply.status, reply.signed))
            .ok();
        // 405 or 404 would show that the server routed the request before it verified it.
        let is_refused = matches!(answer, Some((400 | 401, false)));
        outcome.holds(is_refused, format!("{name}: {answer:?}"));
    }
    outcome.holds(target.stored(bob) == 0, "a variation was stored");
    let sent = alice.send(&last).await.unwrap();
    outcome.holds(
        sent.status == 200,
        format!("the right one: {}", sent.status),
    );
    outcome.did(format!(
        "{} variations of a signed request, then the request",
        all.len()
    ));
    outcome.measured(format!("{} stored", target.stored(bob)));
    target.is_alive(&mut outcome).await;
    outcome
}

async fn forged_proxy() -> Outcome {
    const HANDSHAKES: u32 = 3_000;
    let (target, mut outcome) = (Target::start(), Outcome::default());
    let users = Users::elsewhere(target.address).await;
    let address = target.address;
    let crew = Crew::start(move |_| async move {
        let identity = std::sync::Arc::new(Identity::random());
        let mut peer = Peer::new(identity, PeerConfig::default());
        let body = peer.start_handshake().unwrap();
        let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
        let begun = Instant::now();
        let mut stream = connect_from(ATTACKER, address).await.unwrap();
        for number in 0..HANDSHAKES {
            let [a, b, c, d] = number.wrapping_mul(2_654_435_761).to_be_bytes();
            let forged = format!("{a}.{b}.{c}.{d}");
            let (name, value) = match number % 5 {
                0 => ("x-forwarded-for", forged),
                1 => ("forwarded", format!("for={forged}")),
                2 => ("x-real-ip", forged),
                3 => ("cf-connecting-ip", forged),
                _ => ("x-forwarded-for", format!("{forged}, 127.0.0.9")),
            };
            let request = Request {
                method: "POST".to_owned(),
                target: "/.well-known/auth".to_owned(),
                headers: vec![
                    (name.to_owned(), value),
                    ("content-type".to_owned(), "application/json".to_owned()),
                ],
                body: body.clone().into_bytes(),
            };
            match ask_raw(&mut stream, &wire(&request)).await {
                Ok(reply) => *statuses.entry(reply.status).or_default() += 1,
                Err(_) => stream = connect_from(ATTACKER, address).await.unwrap(),
            }
        }
        (statuses, begun.elapsed().as_secs())
    });
    users.attack_begins();
    let (statuses, seconds) = crew.done().await;
    users.judge(&mut outcome).await;
    let taken = statuses.get(&200).copied().unwrap_or(0);
    outcome.did(format!(
        "{} handshakes, each with another forged address: {statuses:?}",
        statuses.values().sum::<u64>()
    ));
    // The limit of 100 per second, and its burst of ten seconds.
    outcome.at_most(
        "handshakes that were answered",
        taken,
        1_000 + 100 * (seconds + 1),
    );
    outcome.holds(statuses.contains_key(&429), "none was refused");
    target.is_within_budget(&mut outcome).await;
    outcome
}

async fn names_as_html() -> Outcome {
    const HTML: &str = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'>{{7*7}}";
    let (target, mut outcome) = (
        Target::with(&[("ADMIN_TOKEN", "the admin token of this test")]),
        Outcome::default(),
    );
    let mut mallory = Client::proven(target.address, ATTACKER).await;
    let box_name = HTML.split_at(40).0;
    let sent = mallory
        .post("/sendMessage", message(mallory.key(), box_name, HTML, HTML))
        .await
        .unwrap();
    outcome.holds(sent.status == 200, format!("a message: {}", sent.status));
    let encoded: String = HTML
        .bytes()
        .flat_map(|byte| [String::from("%"), hex::encode([byte])])
        .collect();
    let paths = [
        format!("/{encoded}"),
        format!("/docs/{encoded}"),
        format!("/socket.io/?EIO=4&transport={encoded}"),
        format!("/socket.io/?EIO=4&transport=polling&sid={encoded}"),
        format!("/admin/{encoded}"),
        format!("/info?{encoded}"),
        "/".to_owned(),
        "/docs/".to_owned(),
        "/admin/".to_owned(),
    ];
    let mut seen = 0;
    for path in &paths {
        let head = raw_http::head("GET", path, &[], "accept: text/html\r\n");
        let text = raw_text(&target, head.as_bytes()).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let head = head.to_ascii_lowercase();
        let is_html = head.contains("content-type: text/html");
        outcome.holds(
            !body.contains("<script>alert"),
            format!("{path} reflects it"),
        );
        // No browser takes JSON for a page.
        let is_json = head.contains("content-type: application/json");
        outcome.holds(
            is_html || is_json,
            format!("{path} is neither a page nor JSON"),
        );
        if is_html {
            seen += 1;
            outcome.holds(
                head.contains("content-security-policy:"),
                format!("{path} is a page without a policy"),
            );
            outcome.holds(
                head.contains("x-content-type-options: nosniff"),
                format!("{path} is a page without nosniff"),
            );
            outcome.holds(
                head.contains("x-frame-options:"),
                format!("{path} can be framed"),
            );
        }
    }
    let listed = mallory
        .post("/listMessages", json!({"messageBox": box_name}).to_string())
        .await
        .unwrap();
    outcome.holds(
        listed.json["messages"][0]["messageId"] == HTML,
        format!("listed: {:?}", listed.json),
    );
    let listed = mallory.post("/listMessages", LIST).await.unwrap();
    outcome.holds(listed.json["messages"] == json!([]), "another box holds it");
    outcome.did(format!(
        "HTML in a box, an id, a body and {} paths",
        paths.len()
    ));
    outcome.measured(format!("{seen} pages, none with it"));
    target.is_alive(&mut outcome).await;
    outcome
}

async fn raw_text(target: &Target, bytes: &[u8]) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = connect_from(ATTACKER, target.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(5), read).await;
    String::from_utf8_lossy(&answer).into_owned()
}
