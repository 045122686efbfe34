//! A Redis that is demoted behind its address: its connections stay open, and it still answers and publishes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use messagebox::auth::Identity;
use serde_json::{Value, json};

use super::cluster::{
    END, Sender, assert_all, connected, listened_to, member, next, node, received, room, status,
};
use super::need::REDIS;
use super::redis_server::{RedisServer, Way};
use super::support::server::TestServer;
use super::test::{Test, test};

/// The time in which a node must notice.
const SECONDS: Duration = Duration::from_secs(5);

async fn degraded(node: &TestServer) -> Value {
    let client = awc::Client::default();
    let mut answer = client.get(node.http("/readyz")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let body: Value = answer.json().await.unwrap();
    body["degraded"].clone()
}

async fn nodes_leave_a_demoted_redis_and_nothing_is_lost() {
    let (old, new) = (RedisServer::start(), RedisServer::start());
    let folder = tempfile::tempdir().unwrap();
    let (near_way, far_way) = (Way::to(old.address).await, Way::to(old.address).await);
    let (near, far) = (
        node(folder.path(), &near_way.url()),
        node(folder.path(), &far_way.url()),
    );
    connected(&[&near, &far], true).await;
    let identity = Arc::new(Identity::random());
    let room = room(&identity);
    let (mut on_near, mut on_far) = (
        member(&near, &identity).await,
        member(&far, &identity).await,
    );
    listened_to(&old, &identity, 2).await;
    let (mut at_near, mut at_far) = (Sender::on(&near, "n").await, Sender::on(&far, "f").await);
    at_near.send(&room, 5).await;
    at_far.send(&room, 5).await;
    let mut ids = [next(&mut on_near, 10).await, next(&mut on_far, 10).await];
    // One node loses its connections and finds the new server. The other's connections stay at the old one, and its
    // address still leads there.
    near_way.cut();
    connected(&[&near], false).await;
    near_way.lead_to(new.address);
    let demoted = Instant::now();
    old.follow(&new);
    at_far.send(&room, 20).await;
    near_way.mend();
    connected(&[&near], true).await;
    at_near.send(&room, 5).await;
    connected(&[&far], false).await;
    assert!(
        demoted.elapsed() < SECONDS,
        "noticed after {:?}",
        demoted.elapsed()
    );
    // This lasts as long as the address leads to the old one.
    at_far.send(&room, 5).await;
    assert_eq!(degraded(&far).await, json!(["redis"]));
    assert_eq!(status(&far).reconnects, 0);
    far_way.lead_to(new.address);
    connected(&[&far], true).await;
    listened_to(&new, &identity, 2).await;
    at_far.send(&room, 5).await;
    at_near.send(&room, 5).await;
    ids[0].extend(next(&mut on_near, 40).await);
    ids[1].extend(next(&mut on_far, 40).await);
    for ids in &mut ids {
        // Missed events may come after newer ones. None is missing, and none comes twice.
        ids.sort_by_key(|id| {
            let (name, number) = id.split_once(' ').unwrap();
            (name.to_owned(), number.parse::<usize>().unwrap())
        });
        assert_all(ids, &[&at_near, &at_far]);
    }
    at_near.send_one(&room, END).await;
    for member in [&mut on_near, &mut on_far] {
        assert_eq!(
            received(member, &room).await,
            [""; 0],
            "something came twice"
        );
    }
}

pub fn tests() -> Vec<Test> {
    vec![test!(
        nodes_leave_a_demoted_redis_and_nothing_is_lost,
        [REDIS]
    )]
}
