//! Replays: recorded requests and frames, at their own address and at others, and sessions used on the other protocol.

use std::sync::Arc;
use std::time::Duration;

use messagebox::auth::{Identity, Peer, PeerConfig, message_nonce, sha256};
use serde_json::{Value, json};

use crate::client::{Client, LIST, ask_raw, connect_from, message, wire};
use crate::member::Member;
use crate::outcome::{Attack, Outcome, attack};
use crate::support::brc104::{Brc104, Request};
use crate::target::{ATTACKER, OTHERS, Target};

pub fn attacks() -> Vec<Attack> {
    vec![
        attack!(
            "replay",
            "recorded requests and frames, again and after a restart",
            replay
        ),
        attack!(
            "sessions",
            "sessions of HTTP on sockets, and the other way round",
            confusion
        ),
    ]
}

/// Sends a recorded request on a connection of the attacker. Returns the status and whether the answer is signed.
async fn repeat(target: &Target, request: &Request) -> (u16, bool) {
    let mut stream = connect_from(ATTACKER, target.address).await.unwrap();
    let reply = ask_raw(&mut stream, &wire(request)).await.unwrap();
    (reply.status, reply.signed)
}

async fn replay() -> Outcome {
    let (target, mut outcome) = (Target::start(), Outcome::default());
    let identity = Arc::new(Identity::random());
    let mut client = Client::connect_as(target.address, OTHERS, Arc::clone(&identity))
        .await
        .unwrap();
    let key = client.key();
    let recorded = [
        client.request("POST", "/sendMessage", message(key, "inbox", "1", "x")),
        client.request("POST", "/acknowledgeMessage", r#"{"messageIds":["1"]}"#),
        client.request(
            "POST",
            "/permissions/set",
            r#"{"messageBox":"inbox","recipientFee":0}"#,
        ),
        client.request(
            "POST",
            "/registerDevice",
            r#"{"fcmToken":"a token of a device"}"#,
        ),
    ];
    let list = client.request("POST", "/listMessages", LIST);
    for request in recorded.iter().chain([&list]) {
        let status = client.send(request).await.unwrap().status;
        outcome.holds(status == 200, format!("{}: {status}", request.target));
    }
    for request in recorded.iter().chain([&list]) {
        let answer = repeat(&target, request).await;
        outcome.holds(
            answer == (401, false),
            format!("{} again: {answer:?}", request.target),
        );
    }
    let mut member = Member::connect_as(target.address, OTHERS, identity)
        .await
        .unwrap();
    let room = member.room("inbox").as_str().to_owned();
    let frame = member.message_frame(&room, "s", "x");
    member.send_text(frame.clone()).await;
    while member.event().await.unwrap().0 != format!("sendMessageAck-{room}") {}
    let done = client
        .post("/acknowledgeMessage", r#"{"messageIds":["s"]}"#)
        .await
        .unwrap();
    outcome.holds(done.status == 200, "the frame stored nothing");
    for _ in 0..3 {
        member.send_text(frame.clone()).await;
    }
    let other = member.room("other").as_str().to_owned();
    // The server answers this one after the others.
    let own = member.send_message(&other, "last", "x").await;
    outcome.holds(own.is_some(), "a frame again ended the socket of its owner");
    outcome.holds(target.stored(key) == 1, "a frame again was stored");
    let target = target.restarted(&[]);
    for request in &recorded {
        let answer = repeat(&target, request).await;
        outcome.holds(
            answer == (401, false),
            format!("{} after SIGKILL: {answer:?}", request.target),
        );
    }
    outcome.holds(
        target.stored(key) == 1,
        "a request after SIGKILL was stored",
    );
    outcome.did(
        "five requests and a frame again; four requests that write after SIGKILL, without Redis",
    );
    outcome.measured("all refused, unsigned");
    target.is_alive(&mut outcome).await;
    outcome
}

/// A frame with this content, signed in an HTTP session.
fn frame_of(client: &Brc104, room: &str) -> String {
    let data = json!({"roomId": room, "message": {"messageId": "http", "body": "x"}});
    let payload = json!({"eventName": "sendMessage", "data": data}).to_string();
    let nonce = message_nonce();
    let signature = client
        .session
        .sign(&nonce, &sha256(payload.as_bytes()))
        .unwrap();
    let general = json!({
        "version": "0.1", "messageType": "general", "identityKey": client.identity.identity_key().to_hex(),
        "nonce": nonce, "yourNonce": client.session.peer_nonce(),
        "payload": payload.as_bytes(), "signature": signature.to_vec(),
    });
    format!("42[\"authMessage\",{general}]")
}

async fn confusion() -> Outcome {
    let (target, mut outcome) = (Target::start(), Outcome::default());
    let identity = Arc::new(Identity::random());
    let key = identity.identity_key();
    let connect = || Member::connect_as(target.address, ATTACKER, Arc::clone(&identity));
    let (one, mut two) = (connect().await.unwrap(), connect().await.unwrap());
    let http = Client::connect_as(target.address, ATTACKER, Arc::clone(&identity))
        .await
        .unwrap();
    let room = one.room("inbox").as_str().to_owned();
    let frames = [
        one.message_frame(&room, "one", "x"),
        frame_of(&http.signer, &room),
        Member::connect(target.address, ATTACKER)
            .await
            .message_frame(&room, "mallory", "x"),
    ];
    for frame in frames {
        two.send_text(frame.clone()).await;
        // As another client would write it, with its own nonce.
        let mut moved: Value = serde_json::from_str(
            frame
                .trim_start_matches("42[\"authMessage\",")
                .trim_end_matches(']'),
        )
        .unwrap_or_default();
        let own = two.frame("leaveRoom", &json!(room));
        let own: Value = serde_json::from_str(
            own.trim_start_matches("42[\"authMessage\",")
                .trim_end_matches(']'),
        )
        .unwrap_or_default();
        moved["yourNonce"] = own["yourNonce"].clone();
        two.send_text(format!("42[\"authMessage\",{moved}]")).await;
    }
    tokio::time::timeout(Duration::from_secs(5), two.send_message(&room, "own", "x"))
        .await
        .ok();
    let stored = target.stored(key);
    outcome.holds(
        stored <= 1,
        format!("{stored} messages stored of frames of other sessions"),
    );
    // A socket's session signs no HTTP request.
    let peer = Peer::new(Arc::clone(&identity), PeerConfig::default());
    let sessions = std::mem::replace(&mut two.peer, peer).into_authenticated_sessions();
    outcome.holds(!sessions.is_empty(), "the socket has no session");
    for session in sessions {
        let http = Brc104::in_session(&target.http(), Arc::clone(&identity), session);
        let answer = http.post("/listMessages", LIST).await;
        outcome.holds(
            (answer.status, answer.signed) == (401, false),
            format!("a session of a socket over HTTP: {}", answer.status),
        );
    }
    outcome.did("frames of another socket, of HTTP and of another key, with their own and with moved nonces; requests in a session of a socket");
    outcome.measured(format!("{stored} stored, which is the socket's own"));
    target.is_alive(&mut outcome).await;
    outcome
}
