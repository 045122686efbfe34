//! Sockets: many that do not read, a replayed frame, and floods.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use messagebox::auth::Identity;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, LIST, message};
use crate::crew::{Crew, Stop};
use crate::member::Member;
use crate::outcome::{Attack, Outcome, attack};
use crate::support::polling::Polling;
use crate::target::{ATTACKER, Target};
use crate::users::Users;

const TIME: Duration = Duration::from_secs(5);
/// The nonces that the server remembers per session by default.
const SEEN: usize = 4_096;

pub fn attacks() -> Vec<Attack> {
    vec![
        attack!(
            "A7",
            "700 sockets that do not read, and one sender",
            unread_sockets
        ),
        attack!(
            "A14",
            "a frame again after 17,000 others of its session",
            repeated_frame
        ),
        attack!(
            "floods",
            "10,000 frames at once, proven and not, and full polling payloads",
            floods
        ),
    ]
}

/// The memory that the kernel uses for all TCP connections of this machine.
fn kernel_mib() -> usize {
    const PAGE: usize = 4_096;
    let text = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("TCP:"));
    let pages = line.and_then(|line| line.rsplit(' ').next()?.parse::<usize>().ok());
    (pages.unwrap_or(0) * PAGE) >> 20
}

async fn unread_sockets() -> Outcome {
    const SOCKETS: usize = 700;
    let (target, mut outcome) = (Target::start(), Outcome::default());
    let identity = Arc::new(Identity::random());
    let recipient = identity.identity_key();
    let address = target.address;
    let users = Users::at_both(address).await;
    let (sender, ready) = tokio::sync::oneshot::channel();
    let crew = Crew::start(move |stop| async move {
        let mut sockets = Vec::new();
        while sockets.len() < SOCKETS {
            // The server limits the rate of handshakes.
            match Member::with_small_buffer(address, ATTACKER, Arc::clone(&identity)).await {
                Some(member) => sockets.push(member),
                None => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        let _ = sender.send(());
        while !stop.within(Duration::from_secs(1)).await {}
        sockets.len()
    });
    ready.await.unwrap();
    let (before, kernel) = (target.resident_mib(), kernel_mib());
    let mut buffered = kernel;
    users.attack_begins();
    let mut client = Client::proven(address, ATTACKER).await;
    let mut sent = 0;
    for number in 0..8 {
        let body = message(
            recipient,
            "inbox",
            &number.to_string(),
            &"x".repeat(400_000),
        );
        let reply = client.post("/sendMessage", body).await;
        sent += usize::from(reply.is_ok_and(|reply| reply.status == 200));
        for _ in 0..5 {
            buffered = buffered.max(kernel_mib());
            tokio::time::sleep(TIME / 40).await;
        }
    }
    users.judge(&mut outcome).await;
    let metrics = target.metrics().await;
    let left = crate::target::sample(&metrics, "messagebox_sockets{");
    let sockets = crew.stopped().await;
    outcome.did(format!(
        "{sent} messages of 400 KB to an identity with {sockets} sockets that do not read"
    ));
    outcome.measured(format!(
        "RSS with all sockets {before} MiB, kernel buffers of TCP {kernel} to {buffered} MiB, {left} sockets left at the end"
    ));
    // All outbound buffers share half of `MAX_BUFFERED_BYTES`, whichever layer holds them.
    let grown = buffered.saturating_sub(kernel) as u64;
    outcome.at_most("kernel buffers of TCP that it filled, MiB", grown, 256);
    outcome.at_most(
        "stored messages of the attack",
        target.stored(recipient) as u64,
        8,
    );
    target.is_within_budget(&mut outcome).await;
    outcome
}

/// Sends these frames and reads everything that comes. Returns whether the socket is still open.
async fn flood(member: &mut Member, frames: Vec<String>) -> bool {
    let (mut sink, mut stream) = (&mut member.socket).split();
    let mut texts = futures_util::stream::iter(frames).map(|frame| Ok(Message::text(frame)));
    let reading = async {
        while let Some(Ok(got)) = stream.next().await {
            if matches!(got, Message::Close(_)) {
                break;
            }
        }
    };
    let writing = async {
        let sent = sink.send_all(&mut texts).await.is_ok();
        // The server answers what was sent in the meantime.
        tokio::time::sleep(Duration::from_secs(2)).await;
        sent
    };
    tokio::select! {
        sent = writing => sent,
        () = reading => false,
    }
}

async fn repeated_frame() -> Outcome {
    let (target, mut outcome) = (Target::start(), Outcome::default());
    let identity = Arc::new(Identity::random());
    let mut http = Client::connect_as(target.address, ATTACKER, Arc::clone(&identity))
        .await
        .unwrap();
    let mut member = Member::connect_as(target.address, ATTACKER, Arc::clone(&identity))
        .await
        .unwrap();
    // The server would renew the session. The attacker does not answer its handshake.
    member.renews = false;
    let room = member.room("inbox").as_str().to_owned();
    let first = member.message_frame(&room, "first", "x");
    member.send_text(first.clone()).await;
    while member.event().await.unwrap().0 != format!("sendMessageAck-{room}") {}
    let ids = json!({"messageIds": ["first"]}).to_string();
    let acknowledged = http.post("/acknowledgeMessage", ids).await.unwrap();
    outcome.holds(acknowledged.status == 200, "the first frame did nothing");
    let mut ended = 0;
    for count in [SEEN + 100, 4 * SEEN - SEEN + 500] {
        let leave = json!(member.room("other").as_str());
        let frames = (0..count).map(|_| member.frame("leaveRoom", &leave));
        let frames = frames.collect();
        let is_open = flood(&mut member, frames).await && member.send_text(first.clone()).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let listed = http.post("/listMessages", LIST).await.unwrap().json;
        let stored = listed["messages"].as_array().map_or(1, Vec::len);
        outcome.holds(
            stored == 0,
            format!("after {count} frames it was stored again"),
        );
        if !is_open {
            ended += 1;
            break;
        }
    }
    // On another socket of the same identity.
    let mut next = Member::connect_as(target.address, ATTACKER, identity)
        .await
        .unwrap();
    next.send_text(first).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let listed = http.post("/listMessages", LIST).await.unwrap().json;
    outcome.holds(
        listed["messages"] == json!([]),
        "another socket stored it again",
    );
    outcome.did("the frame again after 4,196 others, after 17,000, and on another socket");
    outcome.measured(format!("session ended by the server {ended} times"));
    target.is_alive(&mut outcome).await;
    outcome
}

/// Sends frames of one kind until the time is over, on a new socket whenever the server ends one.
async fn flood_again(
    address: SocketAddr,
    frame: impl Fn(&Member, usize) -> String,
    stop: Stop,
) -> usize {
    let mut sent = 0;
    while !stop.is_set() {
        let Some(mut member) =
            Member::connect_as(address, ATTACKER, Arc::new(Identity::random())).await
        else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let frames = (0..10_000).map(|n| frame(&member, n)).collect();
        flood(&mut member, frames).await;
        sent += 10_000;
    }
    sent
}

async fn floods() -> Outcome {
    let (target, mut outcome) = (Target::start(), Outcome::default());
    let users = Users::at_both(target.address).await;
    let address = target.address;
    let polling = Crew::start(move |stop| async move {
        let url = format!("http://{address}/socket.io/?EIO=4&transport=polling");
        let mut posts = 0;
        while !stop.is_set() {
            let session = Polling::open(&url).await;
            let packets = vec![r#"42["x",{}]"#; 1_024].join("\u{1e}");
            session.post("40").await;
            session.post(packets).await;
            posts += 1;
            stop.within(Duration::from_millis(50)).await;
        }
        posts
    });
    let crew = Crew::start(move |stop| async move {
        let forged = |member: &Member, n: usize| {
            let mut frame =
                member.message_frame(member.room("inbox").as_str(), &n.to_string(), "x");
            // A payload that differs from the signed one.
            frame = frame.replace("\"payload\":[123", "\"payload\":[124");
            frame
        };
        let signed = |member: &Member, n: usize| {
            member.message_frame(member.room("inbox").as_str(), &n.to_string(), "x")
        };
        tokio::join!(
            flood_again(address, |_, n| format!("42[\"x\",{n}]"), stop.clone()),
            flood_again(address, forged, stop.clone()),
            flood_again(address, signed, stop.clone()),
        )
    });
    users.attack_begins();
    tokio::time::sleep(TIME).await;
    users.judge(&mut outcome).await;
    let posts = polling.stopped().await;
    let (unsigned, forged, signed) = crew.stopped().await;
    outcome.did(format!("{unsigned} unsigned, {forged} forged and {signed} signed frames, {posts} payloads of 1,024 packets"));
    target.is_within_budget(&mut outcome).await;
    outcome
}
