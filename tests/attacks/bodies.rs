//! Bodies and heads: some stop one byte short, some were inserted by a proxy, and some are bombs.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use messagebox::auth::Identity;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Client, LIST, connect_from, head, message};
use crate::crew::Crew;
use crate::member::Member;
use crate::outcome::{Attack, Outcome, attack};
use crate::support::brc104::Brc104;
use crate::support::raw_http;
use crate::target::{ATTACKER, OTHERS, SECOND, Target};
use crate::users::Users;

const TIME: Duration = Duration::from_secs(4);
const MIB: usize = 1 << 20;

pub fn attacks() -> Vec<Attack> {
    vec![
        attack!(
            "A6",
            "bodies that stop one byte short, without a proven key",
            unfinished_bodies
        ),
        attack!(
            "A11",
            "another body behind a victim's headers",
            forged_bodies
        ),
        attack!(
            "bombs",
            "heads, JSON and frames that grow while they are read",
            bombs
        ),
    ]
}

/// Sends a signed head that announces a body of this length, and all of the body but its last byte.
async fn begin(client: &Client, length: usize) -> Option<TcpStream> {
    let request = client.request("POST", "/sendMessage", "");
    let head = head(&request, &format!("content-length: {length}\r\n"));
    let mut stream = client.write(head.as_bytes()).await.ok()?;
    let piece = vec![b' '; MIB];
    let mut left = length.min(100 * MIB) - 1;
    while left > 0 {
        let next = left.min(piece.len());
        // The server refuses it early, or stops reading it.
        let write = stream.write_all(piece.get(..next)?);
        tokio::time::timeout(Duration::from_secs(1), write)
            .await
            .ok()?
            .ok()?;
        left -= next;
    }
    // The answer to a refused request is there by now, or soon.
    let answered = stream.readable();
    let waits = tokio::time::timeout(Duration::from_millis(100), answered)
        .await
        .is_err();
    waits.then_some(stream)
}

async fn unfinished_bodies() -> Outcome {
    let (target, mut outcome) = (Target::start(), Outcome::default());
    let users = Users::at_both(target.address).await;
    let mut member = Member::connect(target.address, OTHERS).await;
    let address = target.address;
    let crew = Crew::start(move |stop| async move {
        let mut held = Vec::new();
        let mut begun = 0;
        while !stop.is_set() {
            let each = [ATTACKER, SECOND].into_iter().flat_map(|from| {
                [100_000_000, 16 * MIB, 16 * MIB - 1, 8 * MIB].map(|length| (from, length))
            });
            let begins = each.map(async |(from, length)| {
                let identity = Arc::new(Identity::random());
                let client = Client::connect_as(address, from, identity).await.ok()?;
                begin(&client, length).await
            });
            let all = join_all(begins).await;
            begun += all.len();
            held.extend(all.into_iter().flatten());
            stop.within(Duration::from_millis(200)).await;
        }
        (begun, held.len())
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    users.attack_begins();
    let room = member.room("inbox").as_str().to_owned();
    let large = "x".repeat(300_000);
    for number in 0..10 {
        let id = format!("large {number}");
        let ack = member.send_message(&room, &id, &large).await;
        let status = ack.as_ref().map(|ack| ack["status"].clone());
        outcome.holds(
            status == Some("success".into()),
            format!("a frame of 300 KB elsewhere: {ack:?}"),
        );
        tokio::time::sleep(TIME / 10).await;
    }
    users.judge(&mut outcome).await;
    let (begun, held) = crew.stopped().await;
    outcome.did(format!(
        "{begun} bodies of 8 to 100 MB from two addresses, {held} of them held open, the others refused"
    ));
    outcome.holds(begun > 0, "the attack did nothing");
    target.is_within_budget(&mut outcome).await;
    outcome
}

async fn forged_bodies() -> Outcome {
    let (target, mut outcome) = (
        Target::with(&[("REQUEST_TIMEOUT_SECS", "2")]),
        Outcome::default(),
    );
    let alice = Brc104::connect(&target.http()).await;
    let proof = alice.post("/listMessages", LIST).await;
    outcome.holds(
        proof.status == 200,
        format!("a first request: {}", proof.status),
    );
    let cases = [
        ("content-length: 1000\r\n", "[".repeat(1_000)),
        ("content-length: 1000000\r\n", "[".repeat(1_000_000)),
        ("content-length: 100000000\r\n", "{".to_owned()),
        ("content-length: 18446744073709551615\r\n", "{".to_owned()),
        ("content-length: 100\r\n", "{".to_owned()),
        ("transfer-encoding: chunked\r\n", "zz\r\n".to_owned()),
        (
            "content-length: 22\r\ncontent-encoding: gzip\r\n",
            LIST.to_owned(),
        ),
        ("content-length: 2\r\n", "{}".to_owned()),
    ];
    let mut statuses = Vec::new();
    for (more, body) in cases {
        let request = alice.request("POST", "/listMessages", LIST);
        let forged = raw_http::head("POST", "/listMessages", &request.headers, more) + &body;
        let answer = raw_http::ask(target.address, forged.as_bytes()).await;
        statuses.push(answer.status);
        let more = more.trim();
        outcome.holds(answer.status >= 400, format!("{more}: {}", answer.status));
        outcome.holds(
            !answer.signed,
            format!("{more}: {} is signed", answer.status),
        );
        let original = alice.send(&request).await;
        outcome.holds(
            (original.status, original.signed) == (200, true),
            format!("{more}: the original is answered {}", original.status),
        );
    }
    outcome.did("8 bodies and lengths behind the headers of signed requests, then the originals");
    outcome.measured(format!("answers {statuses:?}, none of them signed"));
    target.is_alive(&mut outcome).await;
    outcome
}

/// Writes these bytes on a new connection. Returns the status of the answer, if there is one.
async fn status_of(server: SocketAddr, from: Ipv4Addr, bytes: &[u8]) -> Option<u16> {
    let mut stream = connect_from(from, server).await.ok()?;
    // The server may close the connection before it has read everything.
    let write = stream.write_all(bytes);
    let _ = tokio::time::timeout(Duration::from_secs(5), write).await;
    let mut answer = [0; 12];
    let read = stream.read_exact(&mut answer);
    tokio::time::timeout(Duration::from_secs(8), read)
        .await
        .ok()?
        .ok()?;
    std::str::from_utf8(answer.get(9..)?).ok()?.parse().ok()
}

/// The head of a masked websocket frame that announces this payload length.
fn frame_head(length: u64) -> Vec<u8> {
    [&[0x82, 0x80 | 127][..], &length.to_be_bytes(), &[0; 4]].concat()
}

/// The statuses of signed requests with these bodies.
async fn deep_and_wide(client: &mut Client) -> Vec<(String, u16)> {
    let bodies = [
        ("1 M arrays in each other", "[".repeat(1_000_000)),
        ("closed", "[".repeat(500_000) + &"]".repeat(500_000)),
        ("objects", r#"{"a":"#.repeat(200_000)),
        (
            "2 M keys",
            format!("{{{}\"z\":1}}", r#""a":1,"#.repeat(2_000_000)),
        ),
        (
            "escapes",
            format!(r#"{{"messageBox":"{}"}}"#, r"\u0041".repeat(500_000)),
        ),
        (
            "a long number",
            format!(r#"{{"messageBox":1{}}}"#, "0".repeat(1_000_000)),
        ),
        (
            "no end",
            format!(r#"{{"messageBox":"{}"#, "x".repeat(1_000_000)),
        ),
    ];
    let mut answers = Vec::new();
    for (name, body) in bodies {
        for target in ["/sendMessage", "/acknowledgeMessage"] {
            let reply = client.post(target, body.as_str()).await;
            let status = reply.map_or(0, |reply| reply.status);
            answers.push((format!("{target} {name}"), status));
        }
    }
    answers
}

async fn bombs() -> Outcome {
    let (target, mut outcome) = (Target::start(), Outcome::default());
    let users = Users::at_both(target.address).await;
    let address = target.address;
    let crew = Crew::start(move |_| async move {
        let line = "x-note: a\r\n".repeat(100_000);
        let long = format!("x-note: {}\r\n", "a".repeat(10 * MIB));
        let path = format!("/{}", "a".repeat(MIB));
        let mut statuses = Vec::new();
        for (path, lines) in [("/", &*line), ("/", &*long), (&*path, "")] {
            let head = raw_http::head("GET", path, &[], lines);
            statuses.push(status_of(address, ATTACKER, head.as_bytes()).await);
        }
        let chunk = "transfer-encoding: chunked\r\n";
        let mut chunks = raw_http::head("POST", "/.well-known/auth", &[], chunk);
        chunks += &"1\r\na\r\n".repeat(200_000);
        statuses.push(status_of(address, ATTACKER, chunks.as_bytes()).await);
        let upgrade = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\n\
            connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
            sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let mut frames = Vec::new();
        for length in [1 << 40, u64::MAX >> 1, 9_000_000] {
            for _ in 0..50 {
                let mut stream = connect_from(ATTACKER, address).await.unwrap();
                let bytes = [upgrade.as_bytes(), &frame_head(length), &[0; 1_000]].concat();
                let _ = stream.write_all(&bytes).await;
                frames.push(stream);
            }
        }
        let mut client = Client::proven(address, ATTACKER).await;
        let answers = deep_and_wide(&mut client).await;
        let alive = client
            .post("/sendMessage", message(client.key(), "inbox", "1", "x"))
            .await;
        (statuses, answers, alive.map(|reply| reply.status))
    });
    users.attack_begins();
    let (statuses, answers, alive) = crew.done().await;
    users.judge(&mut outcome).await;
    outcome.did("100,000 headers, a header of 10 MiB, a path of 1 MiB, 200,000 chunks, 150 frames of up to 2^63 bytes, 14 JSON bombs");
    let refused = |status: &Option<u16>| status.is_none_or(|status| (400..500).contains(&status));
    outcome.holds(statuses.iter().all(refused), format!("heads: {statuses:?}"));
    for (name, status) in answers {
        // The server reads some of them to their end before it answers, and cuts the connection of others.
        let refused = status == 0 || (400..500).contains(&status);
        outcome.holds(refused, format!("{name}: {status}"));
    }
    outcome.holds(
        matches!(alive, Ok(200)),
        format!("the client afterwards: {alive:?}"),
    );
    target.is_within_budget(&mut outcome).await;
    outcome
}
