//! Several servers with a Redis cluster: events and nonces use one shard of it.

use std::path::Path;
use std::sync::Arc;

use messagebox::auth::Identity;
use messagebox::config::Secret;
use messagebox::ids::RoomId;
use serde_json::json;

use super::need::REDIS;
use super::redis_server::RedisServer;
use super::support::authsocket::AuthSocketClient;
use super::support::brc104::Brc104;
use super::support::server::TestServer;
use super::support::{eventually, within};
use super::test::{Test, test};

/// The slot of the names. Each server of the cluster has half of the slots.
const TAG: &str = "{test:}";
const HALF: u16 = 8_192;

async fn node(folder: &Path, redis: &RedisServer) -> TestServer {
    let node = TestServer::with(|settings| {
        let database = folder.join("shared.db");
        settings.database.url = Some(Secret::new(format!("sqlite://{}", database.display())));
        settings.identity.private_key = Some(Secret::new("5".repeat(64)));
        settings.cluster.redis_url = Some(Secret::new(redis.url()));
        settings.cluster.prefix = String::from("test:");
        settings.cluster.nonce_timeout = super::support::PATIENCE;
    });
    connected(&node).await;
    node
}

async fn connected(node: &TestServer) {
    let cluster = node.cluster.as_ref().unwrap();
    eventually("the connections", || cluster.check().is_ok()).await;
}

fn channel(identity: &Identity) -> String {
    format!("{TAG}identity:{}", identity.identity_key())
}

async fn member(node: &TestServer, identity: &Arc<Identity>) -> AuthSocketClient {
    AuthSocketClient::authenticated_as(node.address, Arc::clone(identity)).await
}

async fn listened_to(redis: &RedisServer, identity: &Identity, count: usize) {
    let channel = channel(identity);
    let listened = || redis.shard_listeners(&channel) == count;
    eventually("the subscription", listened).await;
}

async fn send(sender: &mut AuthSocketClient, room: &RoomId, ids: &[String]) {
    for id in ids {
        sender.send_message(room, id, "hello").await;
        let (_, data) = within("an acknowledgement", sender.event()).await;
        assert_eq!(data["status"], json!("success"));
    }
}

async fn receives(member: &mut AuthSocketClient, ids: &[String]) {
    for id in ids {
        let (_, data) = within("an event", member.event()).await;
        assert_eq!(data["messageId"], json!(id));
    }
}

fn ids(name: &str) -> Vec<String> {
    (0..30).map(|n| format!("{name} {n}")).collect()
}

async fn events_take_the_channels_of_a_shard_and_redis_may_be_killed() {
    let (mut redis, folder) = (RedisServer::cluster(), tempfile::tempdir().unwrap());
    let first = node(folder.path(), &redis).await;
    let second = node(folder.path(), &redis).await;
    let identity = Arc::new(Identity::random());
    let room = RoomId::of(&identity.identity_key(), "inbox");
    let mut here = member(&first, &identity).await;
    let mut there = member(&second, &identity).await;
    listened_to(&redis, &identity, 2).await;
    assert_eq!(redis.shard_channels(), [channel(&identity)]);
    assert_eq!(redis.channels(), [""; 0]);
    eventually("the nodes to list each other", || {
        let peers = [&first, &second].map(|node| node.cluster.as_ref().unwrap().peers());
        peers.iter().all(|peers| peers.len() == 1)
    })
    .await;
    let mut sender = AuthSocketClient::authenticated(first.address).await;
    let before = ids("before");
    send(&mut sender, &room, &before).await;
    receives(&mut here, &before).await;
    receives(&mut there, &before).await;
    redis.kill();
    let meanwhile = ids("meanwhile");
    send(&mut sender, &room, &meanwhile).await;
    receives(&mut here, &meanwhile).await;
    redis.restart();
    redis.cluster_works();
    receives(&mut there, &meanwhile).await;
    for node in [&first, &second] {
        connected(node).await;
    }
    listened_to(&redis, &identity, 2).await;
    let after = ids("after");
    send(&mut sender, &room, &after).await;
    receives(&mut here, &after).await;
    receives(&mut there, &after).await;
    // No node subscribes to a room without members any more.
    drop((here, there, sender));
    for node in [&first, &second] {
        let sockets = &node.sockets;
        sockets.close_all(messagebox::engineio::CloseReason::TransportClose);
    }
    eventually("the end", || redis.shard_channels().is_empty()).await;
}

/// Two cluster servers with half of the slots each. The first has the slot of the names.
fn pair() -> (RedisServer, RedisServer) {
    let (one, other) = (RedisServer::of_cluster(), RedisServer::of_cluster());
    one.add_slots(0, HALF - 1);
    other.add_slots(HALF, 16_383);
    one.meet(&other);
    one.cluster_works();
    other.cluster_works();
    if one.slot(TAG) < HALF {
        (one, other)
    } else {
        (other, one)
    }
}

async fn nodes_go_where_the_names_are_and_follow_when_they_move() {
    let folder = tempfile::tempdir().unwrap();
    let (owner, other) = pair();
    // Nodes may start with either server of the cluster.
    let first = node(folder.path(), &owner).await;
    let second = node(folder.path(), &other).await;
    let identity = Arc::new(Identity::random());
    let room = RoomId::of(&identity.identity_key(), "inbox");
    let mut here = member(&first, &identity).await;
    let mut there = member(&second, &identity).await;
    listened_to(&owner, &identity, 2).await;
    assert_eq!(other.shard_channels(), [""; 0]);
    let mut sender = AuthSocketClient::authenticated(second.address).await;
    let before = ids("before");
    send(&mut sender, &room, &before).await;
    receives(&mut here, &before).await;
    receives(&mut there, &before).await;
    let session = Brc104::connect(&first.http("")).await;
    let list = || session.request("POST", "/listMessages", r#"{"messageBox":"inbox"}"#);
    let recorded = list();
    let served = session.send_to(&first.http(""), &recorded).await;
    assert_eq!(served.status, 200);
    let repeated = session.send_to(&second.http(""), &recorded).await;
    assert_eq!(repeated.code(), "ERR_AUTH_FAILED");

    other.take_slot(owner.slot(TAG), &owner);
    let meanwhile = ids("meanwhile");
    send(&mut sender, &room, &meanwhile).await;
    receives(&mut here, &meanwhile).await;
    receives(&mut there, &meanwhile).await;
    listened_to(&other, &identity, 2).await;
    assert_eq!(owner.shard_channels(), [""; 0]);
    for node in [&first, &second] {
        connected(node).await;
    }
    let after = ids("after");
    send(&mut sender, &room, &after).await;
    receives(&mut here, &after).await;
    receives(&mut there, &after).await;
    // The other connection of a node notices too, if not by a request.
    for node in [&first, &second] {
        let cluster = node.cluster.as_ref().unwrap();
        let checked = || cluster.nonce_status().unwrap().checked;
        let before = checked();
        let one_more = async {
            while checked() == before {
                // No key moved with its slot, so the first session has ended.
                let session = Brc104::connect(&node.http("")).await;
                let body = r#"{"messageBox":"inbox"}"#;
                session.post("/listMessages", body).await;
            }
        };
        within("a nonce to be checked", one_more).await;
    }
    let session = Brc104::connect(&first.http("")).await;
    let recorded = session.request("POST", "/listMessages", r#"{"messageBox":"inbox"}"#);
    let served = session.send_to(&first.http(""), &recorded).await;
    assert_eq!(served.status, 200);
    let repeated = session.send_to(&second.http(""), &recorded).await;
    assert_eq!(repeated.code(), "ERR_AUTH_FAILED");
}

pub fn tests() -> Vec<Test> {
    vec![
        test!(
            events_take_the_channels_of_a_shard_and_redis_may_be_killed,
            [REDIS]
        ),
        test!(
            nodes_go_where_the_names_are_and_follow_when_they_move,
            [REDIS]
        ),
    ]
}
