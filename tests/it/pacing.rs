//! Pacing: clients receive no more frames than their wallets verify in time, and the server reads no faster than it
//! answers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use messagebox::auth::Identity;
use messagebox::throttle::Throttle;
use serde_json::{Value, json};

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::Brc104;
use crate::support::polling;
use crate::support::server::TestServer;
use crate::support::{eventually, within};

fn paced(pace: &str) -> TestServer {
    let pace: Throttle = pace.parse().unwrap();
    TestServer::with(|settings| settings.socket.pace = pace)
}

/// A client that names no pace, like the published ones.
async fn published_client(server: &TestServer) -> AuthSocketClient {
    let identity = Arc::new(Identity::random());
    let mut client = AuthSocketClient::connect(server.address, identity).await;
    client.handshake().await;
    let key = client.key().to_hex();
    client
        .emit("authenticated", &json!({ "identityKey": key }))
        .await;
    assert_eq!(client.event().await.0, "authenticationSuccess");
    client
}

async fn listed(server: &TestServer, owner: &AuthSocketClient) -> BTreeSet<String> {
    let http = Brc104::connect_as(&server.http(""), Arc::clone(&owner.identity)).await;
    let list = http
        .post("/listMessages", r#"{"messageBox":"inbox"}"#)
        .await;
    let messages = list.json["messages"].as_array().unwrap().iter();
    let id = |message: &Value| message["messageId"].as_str().unwrap().to_owned();
    messages.map(id).collect()
}

/// Messages to the slow client. It sends a fifth as many.
fn messages() -> usize {
    let set = std::env::var("PACING_MESSAGES").ok();
    set.map_or(300, |count| count.parse().unwrap())
}

/// A wallet that takes 50 ms per call takes 100 ms per frame. `PACING_MESSAGES=1000` takes 50 s.
#[actix_web::test]
async fn a_slow_wallet_never_has_too_many_frames_in_work_and_loses_nothing() {
    const PER_FRAME: Duration = Duration::from_millis(100);
    let server = TestServer::start();
    let (messages, sends) = (messages(), messages() / 5);
    let mut slow = published_client(&server).await;
    let mut sender = AuthSocketClient::authenticated(server.address).await;
    let (own, other) = (slow.room("inbox"), sender.room("inbox"));
    let flood = async {
        for id in 0..messages {
            sender.send_message(&own, &format!("live {id}"), "x").await;
        }
        let mut acked = 0;
        while acked < messages {
            let (event, data) = sender.event().await;
            if event.starts_with("sendMessageAck-") {
                assert_eq!(data["status"], "success");
                acked += 1;
            }
        }
        sender
    };
    let work = async {
        for id in 0..sends {
            slow.send_message(&other, &format!("own {id}"), "x").await;
        }
        let mut arrived: Vec<Instant> = Vec::new();
        let (mut acked, mut live) = (Vec::new(), Vec::new());
        let dropped = || usize::try_from(server.service.counters.dropped.get()).unwrap();
        while acked.len() + live.len() + dropped() < messages + sends {
            let (event, data) = slow.event().await;
            let id = data["messageId"].as_str().unwrap().to_owned();
            if event.starts_with("sendMessageAck-") {
                assert_eq!(data["status"], "success");
                acked.push(id);
            } else {
                live.push(id);
            }
            let now = Instant::now();
            arrived.push(now);
            let in_work = arrived.iter().rev();
            let in_work = in_work.take_while(|at| now - **at < PER_FRAME).count();
            assert!(in_work <= 31, "the client would have disconnected");
        }
        (slow, acked, live)
    };
    let (sender, (mut slow, acked, live)) = tokio::join!(flood, work);
    // Each kind in its order, however the two are mixed.
    let ids = |kind: &str, count: usize| -> Vec<String> {
        (0..count).map(|id| format!("{kind} {id}")).collect()
    };
    assert_eq!((acked, &live), (ids("own", sends), &ids("live", messages)));
    let all: BTreeSet<String> = live.into_iter().collect();
    assert_eq!(listed(&server, &slow).await, all);
    slow.emit("joinRoom", &json!(own.as_str())).await;
    assert_eq!(slow.event().await.0, "joinedRoom");
    drop(sender);
}

#[actix_web::test]
async fn a_client_gets_the_pace_that_it_names_and_0_turns_pacing_off() {
    let slow = paced("1/1");
    let off = paced("0");
    let mut fast = AuthSocketClient::authenticated(slow.address).await;
    let mut published = published_client(&off).await;
    for client in [&mut fast, &mut published] {
        let room = client.room("inbox");
        for id in 0..60 {
            client.send_message(&room, &id.to_string(), "x").await;
        }
        // A minute and a half would pass at one per second.
        for _ in 0..120 {
            within("an event", client.event()).await;
        }
    }
}

#[actix_web::test]
async fn answers_go_before_deliveries_that_wait_and_the_newest_are_dropped() {
    let pace: Throttle = "3/3".parse().unwrap();
    let server = TestServer::with(|settings| {
        settings.socket.pace = pace;
        settings.socket.max_outbound_bytes = 64 * 1024;
    });
    let mut slow = published_client(&server).await;
    let mut sender = AuthSocketClient::authenticated(server.address).await;
    let room = slow.room("inbox");
    for id in 0..60 {
        sender.send_message(&room, &id.to_string(), "x").await;
        assert_eq!(sender.event().await.1["status"], "success");
    }
    let counters = &server.service.counters;
    eventually("a dropped delivery", || counters.dropped.get() > 0).await;
    let waiting = || counters.waiting.load(std::sync::atomic::Ordering::Relaxed);
    let before = waiting();
    assert!(before > 3, "{before}");
    // It is alive, and its answer overtakes everything queued.
    slow.emit("joinRoom", &json!(room.as_str())).await;
    let mut live = Vec::new();
    loop {
        let (event, data) = slow.event().await;
        if event == "joinedRoom" {
            break;
        }
        live.push(data["messageId"].as_str().unwrap().to_owned());
    }
    assert!(live.len() < 15, "{live:?}");
    let order: Vec<String> = (0..live.len()).map(|id| id.to_string()).collect();
    assert_eq!(live, order);
    assert_eq!(listed(&server, &slow).await.len(), 60);
    // Its queue goes with it.
    drop(slow);
    eventually("an empty queue", || waiting() == 0).await;
    let (status, _) = polling::get(&server.http("/readyz")).await;
    assert_eq!(status, 200);
}

#[actix_web::test]
async fn left_room_comes_after_the_earlier_deliveries() {
    let server = paced("1/1");
    let mut slow = published_client(&server).await;
    let mut sender = AuthSocketClient::authenticated(server.address).await;
    let room = slow.room("inbox");
    for id in 0..6 {
        sender.send_message(&room, &id.to_string(), "x").await;
    }
    let counters = &server.service.counters;
    let waiting = || counters.waiting.load(std::sync::atomic::Ordering::Relaxed);
    eventually("queued deliveries", || waiting() >= 3).await;
    slow.emit("leaveRoom", &json!(room.as_str())).await;
    for id in 0..6 {
        let (event, data) = slow.event().await;
        if event == "leftRoom" {
            // All queued deliveries came before it.
            assert!(id >= 3, "{id}");
            return;
        }
        assert_eq!(data["messageId"], id.to_string());
    }
    assert_eq!(slow.event().await.0, "leftRoom");
}

#[actix_web::test]
async fn a_client_is_read_no_faster_than_its_answers_leave() {
    let server = paced("2/20");
    let mut slow = published_client(&server).await;
    let room = slow.room("inbox");
    for _ in 0..40 {
        slow.emit("joinRoom", &json!(room.as_str())).await;
    }
    let received = || {
        let events = server.service.counters.events.get();
        events.get("joinRoom").copied().unwrap_or_default()
    };
    for answered in 1..=40 {
        assert_eq!(slow.event().await.0, "joinedRoom");
        let ahead = received().saturating_sub(answered);
        assert!(
            ahead <= 8,
            "{ahead} requests were read ahead of their answers"
        );
    }
}
