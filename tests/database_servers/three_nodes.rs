//! Three nodes as one: real processes on one database server and one Redis, while each of these fails in turn.
//!
//! No acknowledged message is lost, and no socket receives one twice. Messages sent over one connection arrive in order.
//! `NODES_ROUNDS=20` runs it for longer.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use messagebox::auth::Identity;
use messagebox::client::{AuthSocket, MessageBoxClient};
use serde_json::{Value, json};

use crate::own_server::{Make, OwnServer};
use crate::redis_network::RedisNetwork;
use crate::support::senders::{Attempts, assert_all_there};
use crate::support::server::{ServerProcess, free_address};
use crate::support::{eventually, eventually_async, within};
use crate::traffic::{
    BOX, By, Collector, Member, Senders, Sent, assert_collected, assert_once_and_in_order,
    connector, message,
};

/// Messages of each sender that must be acknowledged to show progress.
const GOES_ON: usize = 5;

/// The node that uses the route to Redis that can be cut.
const REMOTE: usize = 1;
/// The node that the test kills.
const MORTAL: usize = 2;

struct Node {
    address: SocketAddr,
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
    process: Option<ServerProcess>,
}

impl Node {
    fn start(database: &str, redis: String) -> Self {
        let mut node = Self {
            address: free_address(),
            folder: tempfile::tempdir().unwrap(),
            variables: vec![
                ("DATABASE_URL", database.to_owned()),
                ("DB_BUSY_TIMEOUT", String::from("1s")),
                ("REDIS_URL", redis),
                ("SERVER_PRIVATE_KEY", "5".repeat(64)),
            ],
            process: None,
        };
        node.start_again();
        node
    }

    fn start_again(&mut self) {
        let variables: Vec<(&str, &str)> = self
            .variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let folder = self.folder.path();
        self.process = Some(ServerProcess::with(self.address, folder, &variables, None));
    }

    fn kill(&mut self) {
        self.process.take().unwrap().kill();
    }

    async fn is_degraded(&self) -> bool {
        let reply = connector(self.address).get_unsigned("/readyz").await;
        let body: Value = serde_json::from_slice(&reply.unwrap().body).unwrap();
        body["degraded"] == json!(["redis"])
    }
}

/// The nodes, what they depend on, and their load.
struct Stage {
    senders: Senders,
    collector: Collector,
    /// Members of Bob's room, one at each node.
    members: Vec<Member>,
    /// Messages to the members that no sender has sent.
    marks: Vec<String>,
    bob: Arc<Identity>,
    carol: Arc<Identity>,
    nodes: Vec<Node>,
    network: RedisNetwork,
    database: OwnServer,
}

impl Stage {
    async fn set(make: Make) -> Self {
        let database = OwnServer::start(make, &[]);
        let network = RedisNetwork::start().await;
        let redis = |number| match number {
            REMOTE => network.second_url(),
            _ => network.first_url(),
        };
        let nodes: Vec<Node> = (0..3)
            .map(|number| Node::start(&database.url(), redis(number)))
            .collect();
        let (bob, carol) = (Arc::new(Identity::random()), Arc::new(Identity::random()));
        let addresses: Vec<SocketAddr> = nodes.iter().map(|node| node.address).collect();
        let member = |node: &SocketAddr| Member::start(*node, Arc::clone(&bob));
        let stage = Self {
            senders: Senders::default(),
            collector: Collector::start(&addresses, &carol),
            members: addresses.iter().map(member).collect(),
            marks: Vec::new(),
            bob,
            carol,
            nodes,
            network,
            database,
        };
        stage.all_reach_redis(true).await;
        for member in &stage.members {
            eventually("a member", || member.sockets() == 1).await;
        }
        stage
    }

    /// Starts a sender on a socket at this node, and one over HTTP.
    fn send_from(&mut self, node: usize) {
        let mut nodes: Vec<SocketAddr> = self.nodes.iter().map(|node| node.address).collect();
        nodes.rotate_left(node);
        let (bob, carol) = (self.bob.identity_key(), self.carol.identity_key());
        self.senders.start(By::Socket, nodes.clone(), bob);
        self.senders.start(By::Http, nodes, carol);
    }

    /// Waits until each sender has progressed.
    async fn goes_on(&self) {
        let before = self.senders.acknowledged();
        let has_moved = || {
            let now = self.senders.acknowledged();
            now.iter()
                .zip(&before)
                .all(|(now, before)| now - before >= GOES_ON)
        };
        eventually("progress of all senders", has_moved).await;
    }

    async fn all_reach_redis(&self, expected: bool) {
        for node in &self.nodes {
            let reaches = async || node.is_degraded().await != expected;
            eventually_async("the node's status of Redis", reaches).await;
        }
    }

    /// Sends a message through each running node and waits until their members have it. Nothing older is in flight
    /// afterwards.
    async fn all_hear_from_all(&mut self) {
        let places = self.nodes.iter().zip(&self.members);
        let running: Vec<_> = places.filter(|(node, _)| node.process.is_some()).collect();
        let mut ids = Vec::new();
        for (node, _) in &running {
            let sender = Arc::new(Identity::random());
            let id = format!("mark {}", sender.identity_key());
            let mut socket = AuthSocket::connect(&connector(node.address), sender)
                .await
                .unwrap();
            let to = self.bob.identity_key();
            within("an answer", socket.send_message(&message(to, &id)))
                .await
                .unwrap();
            ids.push(id);
        }
        for (_, member) in running {
            eventually("messages from all nodes", || member.has_received(&ids)).await;
        }
        self.marks.extend(ids);
    }

    /// Waits until its member is back, before anything else fails.
    async fn the_node_that_was_killed_is_back(&mut self) {
        let member = &self.members[MORTAL];
        let before = member.sockets();
        self.nodes[MORTAL].start_again();
        eventually("its member", || member.sockets() > before).await;
        self.all_hear_from_all().await;
        self.goes_on().await;
    }

    async fn a_node_is_killed_and_started_again(&mut self) {
        self.send_from(MORTAL);
        self.goes_on().await;
        self.nodes[MORTAL].kill();
        self.goes_on().await;
        self.the_node_that_was_killed_is_back().await;
    }

    async fn redis_is_killed_and_started_again(&mut self) {
        self.network.redis.kill();
        self.all_reach_redis(false).await;
        self.goes_on().await;
        self.network.redis.restart();
        self.all_reach_redis(true).await;
        self.goes_on().await;
    }

    async fn the_database_is_killed_and_started_again(&mut self) {
        let before = self.senders.refused();
        self.database.kill();
        eventually("refusals", || self.senders.refused() > before).await;
        self.database.start_again();
        self.goes_on().await;
    }

    /// The other nodes have what it published, and read the rest from the database.
    async fn a_node_is_killed_while_another_is_cut_off(&mut self) {
        self.send_from(MORTAL);
        self.network.cut_second();
        let is_noticed = async || self.nodes[REMOTE].is_degraded().await;
        eventually_async("the node to be degraded", is_noticed).await;
        self.goes_on().await;
        self.nodes[MORTAL].kill();
        self.goes_on().await;
        self.network.mend_second();
        let is_back = async || !self.nodes[REMOTE].is_degraded().await;
        eventually_async("the node to recover", is_back).await;
        self.all_hear_from_all().await;
        self.the_node_that_was_killed_is_back().await;
    }

    /// The members whose nodes run all the time.
    fn lasting(&self) -> impl Iterator<Item = &Member> {
        let members = self.members.iter().enumerate();
        members.filter_map(|(number, member)| (number != MORTAL).then_some(member))
    }

    /// Stops the load and compares what senders, members and the collector have seen.
    async fn end(mut self) {
        let sent = self.senders.stop().await;
        let of = |by: By| -> Vec<&Sent> {
            let of = sent.iter().filter(|(sender, _)| *sender == by);
            of.map(|(_, sent)| sent).collect()
        };
        let (live, http) = (of(By::Socket), of(By::Http));

        for sent in &live {
            let mortal = self.nodes[MORTAL].address;
            assert!(
                sent.broken_at.iter().all(|node| *node == mortal),
                "a running node has broken a connection"
            );
        }

        let collected = self.collector.stop().await;
        assert_collected(&collected, &http);

        for member in self.lasting() {
            // Messages sent over connections that did not break.
            let due: Vec<&String> = live
                .iter()
                .filter_map(|sent| sent.once().pop())
                .flatten()
                .collect();
            let has_all = || member.has_received(due.iter().copied());
            eventually("a member to receive everything", has_all).await;
        }
        self.all_hear_from_all().await;

        let reader = MessageBoxClient::new(connector(self.nodes[0].address), Arc::clone(&self.bob));
        let listed = reader.list(BOX).await.unwrap();
        let listed: Vec<&str> = listed
            .iter()
            .map(|message| &*message.message_id)
            .filter(|id| !self.marks.iter().any(|mark| mark == id))
            .collect();
        let attempts: Vec<Attempts> = live.iter().map(|sent| sent.attempts()).collect();
        assert_all_there(&listed, &attempts);
        for member in &self.members {
            for received in member.received() {
                assert_once_and_in_order(&received, &live);
            }
        }
        for member in self.lasting() {
            let received = member.received();
            assert_eq!(received.len(), 1, "a member was cut off");
            assert_nothing_between_is_missing(&received[0], &live);
        }
    }
}

/// Members received everything that was acknowledged over one connection. A killed node may lose its last stored
/// messages before it publishes them, so these may be missing, and none before them.
fn assert_nothing_between_is_missing(received: &[String], senders: &[&Sent]) {
    let received: HashSet<&String> = received.iter().collect();
    for sent in senders {
        let mut connections = sent.once();
        let last = connections.pop().unwrap_or_default();
        let missing: Vec<&String> = last
            .into_iter()
            .filter(|id| !received.contains(id))
            .collect();
        assert_eq!(missing, [""; 0], "not delivered");
        for ids in connections {
            let came: Vec<bool> = ids.iter().map(|id| received.contains(id)).collect();
            assert!(came.is_sorted_by(|a, b| a >= b), "{ids:?}: {came:?}");
        }
    }
}

fn three_nodes(make: Make) {
    let rounds = std::env::var("NODES_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut stage = Stage::set(make).await;
        stage.send_from(0);
        stage.send_from(REMOTE);
        for _ in 0..rounds {
            stage.a_node_is_killed_and_started_again().await;
            stage.redis_is_killed_and_started_again().await;
            stage.the_database_is_killed_and_started_again().await;
            stage.a_node_is_killed_while_another_is_cut_off().await;
        }
        stage.end().await;
    });
}

pub fn three_nodes_on_mariadb_are_as_one_whatever_fails() {
    three_nodes(Make::MariaDb);
}

pub fn three_nodes_on_postgresql_are_as_one_whatever_fails() {
    three_nodes(Make::Postgres);
}
