//! The previous release and this one side by side: each node is replaced while senders, members and a collector work.
//!
//! `OLD_MESSAGEBOX_SERVER` names the binary of the previous release. `tests/long/rolling_upgrade` builds it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use messagebox::auth::Identity;
use messagebox::client::{AuthSocket, MessageBoxClient};
use serde_json::{Value, json};

use crate::redis_server::RedisServer;
use crate::support::brc104::{Answer, Brc104};
use crate::support::database::{Kind, TestDatabase};
use crate::support::senders::{Attempts, assert_all_there};
use crate::support::server::{ServerProcess, TestServer, free_address};
use crate::support::{eventually, eventually_async, within};
use crate::traffic::{
    BOX, By, Collector, Member, Senders, Sent, assert_collected, assert_once_and_in_order,
    connector, message,
};

/// Messages of each sender that must be acknowledged between two steps.
const GOES_ON: usize = 10;

/// HTTP sessions with each node that its replacement must end.
const SESSIONS: usize = 10;

const NODES: usize = 3;

/// The first migration that the previous release does not have.
const FIRST_NEW_MIGRATION: &str = "20261129";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Old,
    New,
}

struct Node {
    address: SocketAddr,
    folder: tempfile::TempDir,
    version: Version,
    process: Option<ServerProcess>,
}

impl Node {
    fn base(&self) -> String {
        format!("http://{}", self.address)
    }
}

struct Stage {
    senders: Senders,
    collector: Collector,
    /// Members of Bob's room, one at each node.
    members: Vec<Member>,
    /// Messages that no sender has sent.
    marks: Vec<String>,
    bob: Arc<Identity>,
    nodes: Vec<Node>,
    variables: Vec<(&'static str, String)>,
    old: PathBuf,
    _redis: RedisServer,
    /// Declared after its users, so that it is dropped last.
    database: TestDatabase,
}

impl Stage {
    async fn set(kind: Kind) -> Self {
        let old = std::env::var_os("OLD_MESSAGEBOX_SERVER");
        let old = PathBuf::from(old.expect("OLD_MESSAGEBOX_SERVER names the binary"));
        let (database, redis) = (TestDatabase::of(kind), RedisServer::start());
        let variables = vec![
            ("DATABASE_URL", database.url().to_owned()),
            ("REDIS_URL", redis.url()),
            ("SERVER_PRIVATE_KEY", "5".repeat(64)),
            // On a busy machine, a slow Redis must not count as missing.
            ("CLUSTER_NONCE_TIMEOUT", String::from("20s")),
        ];
        let node = |_| Node {
            address: free_address(),
            folder: tempfile::tempdir().unwrap(),
            version: Version::Old,
            process: None,
        };
        let nodes: Vec<Node> = (0..NODES).map(node).collect();
        let addresses: Vec<SocketAddr> = nodes.iter().map(|node| node.address).collect();
        let (bob, carol) = (Arc::new(Identity::random()), Arc::new(Identity::random()));
        let member = |node: &SocketAddr| Member::start(*node, Arc::clone(&bob));
        let mut stage = Self {
            senders: Senders::default(),
            collector: Collector::start(&addresses, &carol),
            members: addresses.iter().map(member).collect(),
            marks: Vec::new(),
            bob: Arc::clone(&bob),
            nodes,
            variables,
            old,
            _redis: redis,
            database,
        };
        for node in 0..NODES {
            stage.start(node, Version::Old).await;
        }
        for first in 0..NODES {
            let mut order = addresses.clone();
            order.rotate_left(first);
            let (by_socket, by_http) = (bob.identity_key(), carol.identity_key());
            stage.senders.start(By::Socket, order.clone(), by_socket);
            stage.senders.start(By::Http, order, by_http);
        }
        stage.goes_on().await;
        stage
    }

    /// Starts a node at its old address. It is up once its member is back and it shares events with the others.
    async fn start(&mut self, number: usize, version: Version) {
        let sockets = self.members[number].sockets();
        let node = &mut self.nodes[number];
        let variables: Vec<(&str, &str)> = self
            .variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let (address, folder) = (node.address, node.folder.path());
        node.version = version;
        node.process = Some(match version {
            Version::Old => ServerProcess::of_version(&self.old, address, folder, &variables),
            Version::New => ServerProcess::with(address, folder, &variables, None),
        });
        let shares_events = async || {
            let reply = connector(address).get_unsigned("/readyz").await;
            reply.is_ok_and(|reply| {
                let body: Value = serde_json::from_slice(&reply.body).unwrap();
                reply.status == 200 && body.get("degraded").is_none_or(|it| it == &json!([]))
            })
        };
        eventually_async("a node to be ready", shares_events).await;
        let member = &self.members[number];
        eventually("its member", || member.sockets() > sockets).await;
    }

    /// Waits until each sender has progressed.
    async fn goes_on(&self) {
        let before = self.senders.acknowledged();
        let has_moved = || {
            let now = self.senders.acknowledged();
            let moved = |(now, before): (&usize, &usize)| now - before >= GOES_ON;
            now.iter().zip(&before).all(moved)
        };
        eventually("progress of all senders", has_moved).await;
    }

    /// Sends a message through each node and waits until all members have received it.
    async fn all_hear_from_all(&mut self) {
        let mut ids = Vec::new();
        for node in &self.nodes {
            let sender = Arc::new(Identity::random());
            let id = format!("mark {}", sender.identity_key());
            let socket = AuthSocket::connect(&connector(node.address), sender).await;
            let to = self.bob.identity_key();
            let mut socket = socket.unwrap();
            let sent = within("an answer", socket.send_message(&message(to, &id))).await;
            sent.unwrap();
            ids.push(id);
        }
        for member in &self.members {
            eventually("messages from all nodes", || member.has_received(&ids)).await;
        }
        self.marks.extend(ids);
    }

    /// Replaces a node as `docs/operations/upgrade.md` says: SIGTERM, then the other binary. Each of its sessions gets one unsigned 401.
    async fn replace(&mut self, number: usize, version: Version) {
        let base = self.nodes[number].base();
        let mut sessions = Vec::new();
        for _ in 0..SESSIONS {
            let session = Brc104::connect(&base).await;
            assert_is_served(&ask(&session, &base).await);
            sessions.push(session);
        }
        let mut process = self.nodes[number].process.take().unwrap();
        process.signal("TERM");
        assert_eq!(process.ended().await, Some(0));
        drop(process);
        self.start(number, version).await;
        for session in sessions {
            let answer = ask(&session, &base).await;
            assert_eq!((answer.status, answer.signed), (401, false), "{answer:?}");
            let session = Brc104::connect_as(&base, session.identity).await;
            let again = self.nodes.iter().filter(|node| node.version == version);
            for base in again.map(Node::base) {
                assert_is_served(&ask(&session, &base).await);
            }
        }
        self.goes_on().await;
        self.all_hear_from_all().await;
    }

    async fn replace_all(&mut self, version: Version) {
        for node in 0..NODES {
            self.replace(node, version).await;
        }
    }

    /// Stops the load and compares what senders, members and the collector have seen.
    async fn end(mut self) {
        let sent = self.senders.stop().await;
        let of = |by: By| -> Vec<&Sent> {
            let of = sent.iter().filter(|(sender, _)| *sender == by);
            of.map(|(_, sent)| sent).collect()
        };
        let (live, http) = (of(By::Socket), of(By::Http));
        assert_collected(&self.collector.stop().await, &http);
        self.all_hear_from_all().await;

        let reader = connector(self.nodes[0].address);
        let reader = MessageBoxClient::new(reader, Arc::clone(&self.bob));
        let listed = reader.list(BOX).await.unwrap();
        let listed: Vec<&str> = listed
            .iter()
            .map(|message| &*message.message_id)
            .filter(|id| !self.marks.iter().any(|mark| mark == id))
            .collect();
        let attempts: Vec<Attempts> = live.iter().map(|sent| sent.attempts()).collect();
        assert_all_there(&listed, &attempts);
        for member in &self.members {
            for ids in member.received() {
                assert_once_and_in_order(&ids, &live);
            }
        }
        println!(
            "{} live and {} HTTP messages acknowledged, {} refusals",
            live.iter().map(|sent| sent.attempts().len()).sum::<usize>(),
            http.iter().map(|sent| sent.attempts().len()).sum::<usize>(),
            self.senders.refused(),
        );
    }
}

async fn ask(session: &Brc104, base: &str) -> Answer {
    let request = session.request("POST", "/listMessages", r#"{"messageBox":"inbox"}"#);
    session.send_to(base, &request).await
}

#[track_caller]
fn assert_is_served(answer: &Answer) {
    assert!(answer.status == 200 && answer.signed, "{answer:?}");
}

async fn rolling_upgrade(kind: Kind) {
    let mut stage = Stage::set(kind).await;
    stage.replace_all(Version::New).await;
    // The tables stay as they are.
    stage.database.forget_migrations(FIRST_NEW_MIGRATION..="9");
    stage.replace_all(Version::Old).await;
    stage.replace_all(Version::New).await;
    stage.end().await;
}

/// Both releases prepare their list statements before the migration changes the column.
pub async fn a_migration_takes_no_list_away_from_servers_that_run() {
    let database = Arc::new(TestDatabase::of(Kind::Postgres));
    let server = TestServer::on(Arc::clone(&database), |_| {});
    let client = Brc104::connect(&server.http("")).await;
    database.run(
        r#"ALTER TABLE "messages" ALTER COLUMN "messageId" TYPE VARCHAR(255) COLLATE "C";
           SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE datname = current_database() AND pid <> pg_backend_pid()"#,
    );
    database.forget_migrations("20261129000020"..="20261129000020");
    // Until each connection of the pool has prepared its statements.
    let message = json!({
        "recipient": client.identity.identity_key().to_hex(),
        "messageBox": "inbox", "messageId": "1", "body": "x",
    });
    let message = json!({ "message": message }).to_string();
    let is_sent = async || client.post("/sendMessage", message.clone()).await.status == 200;
    eventually_async("a message", is_sent).await;
    for _ in 0..20 {
        assert_is_served(&ask(&client, &server.http("")).await);
    }
    crate::archive::run(&database, &["migrate"]);
    // The write that hits the closed connection is refused, and the next one succeeds.
    eventually_async("another message", is_sent).await;
    for _ in 0..20 {
        let answer = ask(&client, &server.http("")).await;
        assert_is_served(&answer);
        assert_eq!(answer.json["messages"][0]["messageId"], "1");
    }
}

pub async fn two_versions_work_side_by_side_on_postgresql() {
    rolling_upgrade(Kind::Postgres).await;
}

pub async fn two_versions_work_side_by_side_on_mariadb() {
    rolling_upgrade(Kind::Mysql).await;
}
