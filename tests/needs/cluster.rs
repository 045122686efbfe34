//! Several servers with one database and one Redis.

use std::path::Path;
use std::sync::Arc;

use messagebox::auth::Identity;
use messagebox::cluster::ClusterStatus;
use messagebox::config::{Secret, Settings};
use messagebox::ids::RoomId;
use serde_json::json;

use super::need::REDIS;
use super::redis_server::{RedisServer, Way};
use super::support::authsocket::AuthSocketClient;
use super::support::brc104::Brc104;
use super::support::server::TestServer;
use super::support::{eventually, within};
use super::test::{Test, test};

/// The id of a test's last message.
pub const END: &str = "end";

/// A node with its database in this folder and its Redis at this address.
pub fn node(folder: &Path, redis: &str) -> TestServer {
    node_with(folder, redis, |_| {})
}

fn node_with(folder: &Path, redis: &str, change: impl FnOnce(&mut Settings)) -> TestServer {
    TestServer::with(|settings| {
        let database = folder.join("shared.db");
        settings.database.url = Some(Secret::new(format!("sqlite://{}", database.display())));
        settings.identity.private_key = Some(Secret::new("5".repeat(64)));
        settings.cluster.redis_url = Some(Secret::new(redis));
        settings.cluster.prefix = String::from("test:");
        change(settings);
    })
}

pub fn status(node: &TestServer) -> ClusterStatus {
    node.cluster.as_ref().unwrap().status()
}

/// Two connected nodes. The second one has other settings and a route that can be cut.
async fn near_and_far(
    folder: &Path,
    redis: &RedisServer,
    change: impl FnOnce(&mut Settings),
) -> (TestServer, TestServer, Way) {
    let way = Way::to(redis.address).await;
    let near = node(folder, &redis.url());
    let far = node_with(folder, &way.url(), change);
    connected(&[&near, &far], true).await;
    (near, far, way)
}

/// Waits until a node's watermark covers everything stored so far. The node reads it twice per second.
async fn marked(node: &TestServer) {
    let stored = node.db.last_message_id().await.unwrap();
    let publisher = node.cluster.as_ref().unwrap().publisher();
    eventually("the watermark", || publisher.watermark() >= stored).await;
}

pub async fn connected(nodes: &[&TestServer], expected: bool) {
    for node in nodes {
        eventually("the connection", || status(node).connected == expected).await;
    }
}

pub async fn member(node: &TestServer, identity: &Arc<Identity>) -> AuthSocketClient {
    AuthSocketClient::authenticated_as(node.address, Arc::clone(identity)).await
}

fn channel(identity: &Identity) -> String {
    format!("test:identity:{}", identity.identity_key())
}

pub async fn listened_to(redis: &RedisServer, identity: &Identity, count: usize) {
    let channel = channel(identity);
    eventually("the subscription", || redis.listeners(&channel) == count).await;
}

pub fn room(identity: &Identity) -> RoomId {
    RoomId::of(&identity.identity_key(), "inbox")
}

/// A sender that awaits each acknowledgement before the next message.
pub struct Sender {
    client: AuthSocketClient,
    name: &'static str,
    next: usize,
}

impl Sender {
    pub async fn on(node: &TestServer, name: &'static str) -> Self {
        let client = AuthSocketClient::authenticated(node.address).await;
        Self {
            client,
            name,
            next: 0,
        }
    }

    pub async fn send(&mut self, room: &RoomId, count: usize) {
        for _ in 0..count {
            let id = format!("{} {}", self.name, self.next);
            self.next += 1;
            self.send_one(room, &id).await;
        }
    }

    pub async fn send_one(&mut self, room: &RoomId, id: &str) {
        self.client.send_message(room, id, "hello").await;
        let (_, data) = within("an acknowledgement", self.client.event()).await;
        assert_eq!(
            (&data["status"], &data["messageId"]),
            (&json!("success"), &json!(id))
        );
    }

    fn sent(&self) -> Vec<String> {
        (0..self.next)
            .map(|n| format!("{} {n}", self.name))
            .collect()
    }
}

fn id_of(data: &serde_json::Value) -> String {
    data["messageId"].as_str().unwrap().to_owned()
}

/// The ids of a member's next events.
pub async fn next(member: &mut AuthSocketClient, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    while ids.len() < count {
        let (_, data) = within("an event", member.event()).await;
        ids.push(id_of(&data));
    }
    ids
}

/// The ids of a member's events, up to the end.
pub async fn received(member: &mut AuthSocketClient, room: &RoomId) -> Vec<String> {
    let name = format!("sendMessage-{room}");
    let mut ids = Vec::new();
    loop {
        let (event, data) = within("an event", member.event()).await;
        assert_eq!(event, name);
        let id = id_of(&data);
        if id == END {
            return ids;
        }
        ids.push(id);
    }
}

/// The member received everything that each of these senders sent, once and in order, and nothing else.
pub fn assert_all(received: &[String], senders: &[&Sender]) {
    for sender in senders {
        let own = received.iter().filter(|id| id.starts_with(sender.name));
        assert_eq!(
            own.cloned().collect::<Vec<_>>(),
            sender.sent(),
            "{}",
            sender.name
        );
    }
    let total: usize = senders.iter().map(|sender| sender.next).sum();
    assert_eq!(received.len(), total);
}

async fn a_message_reaches_the_members_on_every_node_once_and_in_order() {
    let (redis, folder) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let nodes: Vec<_> = (0..3).map(|_| node(folder.path(), &redis.url())).collect();
    connected(&nodes.iter().collect::<Vec<_>>(), true).await;
    let identity = Arc::new(Identity::random());
    let room = room(&identity);
    let mut members = Vec::new();
    for at in [0, 1, 1, 2] {
        members.push(member(&nodes[at], &identity).await);
    }
    listened_to(&redis, &identity, 3).await;
    let mut senders = Vec::new();
    for (at, name) in ["a", "b", "c"].into_iter().enumerate() {
        senders.push(Sender::on(&nodes[at], name).await);
    }
    let sending = senders.iter_mut().map(|sender| sender.send(&room, 40));
    futures_util::future::join_all(sending).await;
    // Over HTTP too, by the same route.
    let http = Brc104::connect(&nodes[2].http("")).await;
    let message = json!({"recipient": identity.identity_key().to_hex(), "messageBox": "inbox", "messageId": "http", "body": {"n": 1}});
    let sent = http
        .post("/sendMessage", json!({ "message": message }).to_string())
        .await;
    assert_eq!(sent.status, 200);
    for member in &mut members {
        let mut ids = next(member, 121).await;
        let at = ids.iter().position(|id| id == "http").unwrap();
        ids.remove(at);
        assert_all(&ids, &senders.iter().collect::<Vec<_>>());
    }
    // The publisher does not deliver it again, and nothing more comes.
    for node in &nodes {
        let status = status(node);
        assert_eq!((status.refused, status.dropped, status.lost), (0, 0, 0));
    }
    senders[1].send_one(&room, "last").await;
    for member in &mut members {
        let (_, data) = within("the last", member.event()).await;
        assert_eq!(data["messageId"], "last");
    }
}

async fn a_node_subscribes_only_to_rooms_with_local_members() {
    let (redis, folder) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let open = |settings: &mut Settings| {
        settings.rooms.access = messagebox::rooms::RoomAccess::Open;
    };
    let (first, second) = (
        node_with(folder.path(), &redis.url(), open),
        node_with(folder.path(), &redis.url(), open),
    );
    connected(&[&first, &second], true).await;
    assert_eq!(redis.channels(), [""; 0]);
    let (one, two) = (Arc::new(Identity::random()), Arc::new(Identity::random()));
    let mut on_first = member(&first, &one).await;
    let again = member(&first, &one).await;
    let on_second = member(&second, &two).await;
    listened_to(&redis, &one, 1).await;
    listened_to(&redis, &two, 1).await;
    assert_eq!(redis.channels().len(), 2);
    // A room without an owner has its own channel while it has members.
    on_first.emit("joinRoom", &json!("lobby")).await;
    eventually("the room's channel", || redis.channels().len() == 3).await;
    on_first.event().await;
    on_first.emit("leaveRoom", &json!("lobby")).await;
    eventually("the end of the subscription", || {
        redis.channels().len() == 2
    })
    .await;
    // Events for members of one node only do not reach the other.
    let mut sender = Sender::on(&first, "a").await;
    listened_to(&redis, &sender.client.identity, 1).await;
    sender.send(&room(&one), 20).await;
    eventually("the publications", || status(&first).published == 20).await;
    drop((on_first, again));
    first
        .sockets
        .close_all(messagebox::engineio::CloseReason::TransportClose);
    eventually("the end of the first node's subscription", || {
        redis.channels() == [channel(&two)]
    })
    .await;
    assert_eq!(status(&second).received, 0);
    drop(on_second);
}

async fn nothing_is_lost_or_repeated_when_redis_is_killed_and_comes_back() {
    let (mut redis, folder) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let nodes = [0, 1].map(|_| node(folder.path(), &redis.url()));
    let [first, second] = &nodes;
    connected(&[first, second], true).await;
    let identity = Arc::new(Identity::random());
    let room = room(&identity);
    let mut members = [
        member(first, &identity).await,
        member(second, &identity).await,
    ];
    listened_to(&redis, &identity, 2).await;
    let mut senders = [Sender::on(first, "a").await, Sender::on(second, "b").await];
    for round in 0..3 {
        let [a, b] = &mut senders;
        futures_util::future::join(a.send(&room, 20), b.send(&room, 20)).await;
        redis.kill();
        futures_util::future::join(a.send(&room, 20), b.send(&room, 20)).await;
        connected(&[first, second], false).await;
        futures_util::future::join(a.send(&room, 20), b.send(&room, 20)).await;
        redis.restart();
        let [a, b] = &mut senders;
        futures_util::future::join(a.send(&room, 20), b.send(&room, 20)).await;
        connected(&[first, second], true).await;
        for node in &nodes {
            eventually("a connection", || status(node).reconnects == round + 1).await;
        }
    }
    for member in &mut members {
        let ids = next(member, 480).await;
        assert_all(&ids, &senders.iter().collect::<Vec<_>>());
    }
    senders[0].send_one(&room, END).await;
    for member in &mut members {
        assert_eq!(
            received(member, &room).await,
            [""; 0],
            "something came twice"
        );
    }
}

async fn a_node_that_was_cut_off_catches_up() {
    let (redis, folder) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let (near, far, way) = near_and_far(folder.path(), &redis, |_| {}).await;
    let (identity, late) = (Arc::new(Identity::random()), Arc::new(Identity::random()));
    let (own, others) = (room(&identity), room(&late));
    let mut cut_off = member(&far, &identity).await;
    let mut reached = member(&near, &identity).await;
    listened_to(&redis, &identity, 2).await;
    let mut sender = Sender::on(&near, "a").await;
    let mut local = Sender::on(&far, "b").await;
    sender.send(&own, 10).await;
    // It arrives before the route is cut, and is within the range that is read again.
    next(&mut cut_off, 10).await;
    // Redis also gives the time, which is that of this machine.
    let clock = || far.cluster.as_ref().unwrap().clock();
    eventually("the time of Redis", || clock().is_some()).await;
    assert_eq!(clock().and_then(|offset| offset.error(5_000)), None);
    way.cut();
    connected(&[&far], false).await;
    assert_eq!(clock(), None);
    sender.send(&own, 10).await;
    local.send(&own, 10).await;
    sender.send(&others, 1).await;
    // Messages acknowledged in the meantime are not sent any more.
    sender.send_one(&own, "acknowledged").await;
    let owner = Brc104::connect_as(&near.http(""), Arc::clone(&identity)).await;
    let acknowledged = owner
        .post("/acknowledgeMessage", r#"{"messageIds":["acknowledged"]}"#)
        .await;
    assert_eq!(acknowledged.status, 200);
    // Its local deliveries continue. It reports degraded, not unready.
    assert_eq!(next(&mut cut_off, 10).await, local.sent());
    let client = awc::Client::default();
    let mut ready = client.get(far.http("/readyz")).send().await.unwrap();
    let body: serde_json::Value = ready.json().await.unwrap();
    assert_eq!(ready.status(), 200);
    assert_eq!(
        (&body["degraded"], &body["ready"][0]),
        (&json!(["redis"]), &json!("database"))
    );
    // A member that joins after a watermark does not receive earlier messages.
    marked(&far).await;
    let mut late_member = member(&far, &late).await;
    way.mend();
    // The node reads all missed messages before the next is stored, which it would read too.
    eventually("the missed messages", || status(&far).caught_up == 10).await;
    sender.send_one(&own, END).await;
    sender.send_one(&others, END).await;
    let caught_up = received(&mut cut_off, &own).await;
    assert_eq!(caught_up, sender.sent()[10..20]);
    assert_eq!(received(&mut late_member, &others).await, [""; 0]);
    assert_eq!(status(&far).caught_up, 10);
    // In the other direction, the node kept its events while it was cut off.
    let mut ids = received(&mut reached, &own).await;
    ids.extend(next(&mut reached, 31 - ids.len()).await);
    ids.retain(|id| id.starts_with('b'));
    assert_eq!(ids, local.sent());
}

/// The message would come after newer ones, and new members list their box anyway.
async fn members_do_not_receive_messages_from_before_they_joined() {
    let (redis, folder) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let (near, far, way) = near_and_far(folder.path(), &redis, |_| {}).await;
    let identity = Arc::new(Identity::random());
    let room = room(&identity);
    let mut sender = Sender::on(&far, "a").await;
    way.cut();
    connected(&[&far], false).await;
    sender.send(&room, 5).await;
    marked(&near).await;
    let mut member = member(&near, &identity).await;
    listened_to(&redis, &identity, 1).await;
    way.mend();
    eventually("the queued events", || status(&far).published == 5).await;
    sender.send_one(&room, END).await;
    assert_eq!(received(&mut member, &room).await, [""; 0]);
}

async fn what_has_no_room_in_the_queue_is_published_from_the_database() {
    let (redis, folder) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let change = |settings: &mut Settings| settings.cluster.max_queued_bytes = 4_096;
    let (near, far, way) = near_and_far(folder.path(), &redis, change).await;
    let identity = Arc::new(Identity::random());
    let room = room(&identity);
    let mut member = member(&near, &identity).await;
    listened_to(&redis, &identity, 1).await;
    let mut sender = Sender::on(&far, "a").await;
    way.cut();
    connected(&[&far], false).await;
    sender.send(&room, 50).await;
    eventually("the queue to be full", || status(&far).dropped > 30).await;
    way.mend();
    connected(&[&far], true).await;
    sender.send(&room, 10).await;
    eventually("the queue to be empty", || status(&far).published == 60).await;
    sender.send_one(&room, END).await;
    assert_eq!(received(&mut member, &room).await, sender.sent());
    assert_eq!(status(&far).lost, 0);
}

async fn members_that_missed_too_much_are_cut_off_and_list_their_boxes() {
    let (redis, folder) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let change = |settings: &mut Settings| settings.cluster.max_catch_up = 5;
    let (near, far, way) = near_and_far(folder.path(), &redis, change).await;
    let identity = Arc::new(Identity::random());
    let mut member = member(&far, &identity).await;
    listened_to(&redis, &identity, 1).await;
    way.cut();
    connected(&[&far], false).await;
    Sender::on(&near, "a")
        .await
        .send(&room(&identity), 10)
        .await;
    way.mend();
    let gone = async { while member.try_event().await.is_some() {} };
    within("the end of the socket", gone).await;
}

async fn what_is_forged_or_repeated_on_redis_is_not_delivered() {
    let (redis, folder) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let (first, second) = (
        node(folder.path(), &redis.url()),
        node(folder.path(), &redis.url()),
    );
    connected(&[&first, &second], true).await;
    let identity = Arc::new(Identity::random());
    let room = room(&identity);
    let mut member = member(&second, &identity).await;
    listened_to(&redis, &identity, 1).await;
    let mut spy = redis.connection();
    let mut spy = spy.as_pubsub();
    spy.subscribe(channel(&identity)).unwrap();
    let mut sender = Sender::on(&first, "a").await;
    sender.send(&room, 1).await;
    let recorded: Vec<u8> = spy.get_message().unwrap().get_payload().unwrap();
    let mut forged = recorded.clone();
    *forged.last_mut().unwrap() ^= 1;
    for message in [&b""[..], b"hello", &recorded, &forged] {
        redis.publish(&channel(&identity), message);
    }
    eventually("the refusals", || status(&second).refused == 4).await;
    sender.send_one(&room, END).await;
    assert_eq!(received(&mut member, &room).await, sender.sent());
}

pub fn tests() -> Vec<Test> {
    vec![
        test!(
            a_message_reaches_the_members_on_every_node_once_and_in_order,
            [REDIS]
        ),
        test!(a_node_subscribes_only_to_rooms_with_local_members, [REDIS]),
        test!(
            nothing_is_lost_or_repeated_when_redis_is_killed_and_comes_back,
            [REDIS]
        ),
        test!(a_node_that_was_cut_off_catches_up, [REDIS]),
        test!(
            members_do_not_receive_messages_from_before_they_joined,
            [REDIS]
        ),
        test!(
            what_has_no_room_in_the_queue_is_published_from_the_database,
            [REDIS]
        ),
        test!(
            members_that_missed_too_much_are_cut_off_and_list_their_boxes,
            [REDIS]
        ),
        test!(
            what_is_forged_or_repeated_on_redis_is_not_delivered,
            [REDIS]
        ),
    ]
}
