//! Sessions in Redis: once one node has served a request, every node refuses it, also after a restart. A session ends
//! on all nodes.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use messagebox::auth::{Identity, PENDING_TTL, SessionRecord};
use messagebox::cluster::{
    ClaimAnswer, NonceStatus, RedisSessions, SessionClaim, SessionName, StoreSettings,
};
use messagebox::config::{Secret, Settings};
use serde_json::{Value, json};

use super::need::REDIS;
use super::redis_server::{RedisServer, Way};
use super::support::admin::{ask, ask_with};
use super::support::brc104::{Brc104, Request};
use super::support::database::TestDatabase;
use super::support::documents::Documents;
use super::support::exposition;
use super::support::server::TestServer;
use super::support::{PATIENCE, eventually, within};
use super::test::{Test, test};

const LIST: &str = "/listMessages";
const BODY: &str = r#"{"messageBox":"inbox"}"#;

/// The key, database and Redis that several nodes share.
struct Nodes {
    redis: RedisServer,
    database: Arc<TestDatabase>,
}

impl Nodes {
    fn new() -> Self {
        Self {
            redis: RedisServer::start(),
            database: Arc::new(TestDatabase::create()),
        }
    }

    /// A node whose Redis answers.
    async fn node(&self) -> TestServer {
        let node = self.node_with(&self.redis.url(), |_| {});
        connected(&node, true).await;
        node
    }

    fn node_with(&self, redis: &str, change: impl FnOnce(&mut Settings)) -> TestServer {
        TestServer::on(Arc::clone(&self.database), |settings| {
            settings.identity.private_key = Some(Secret::new("5".repeat(64)));
            settings.cluster.redis_url = Some(Secret::new(redis));
            settings.cluster.prefix = String::from("test:");
            // On a busy machine, a slow Redis must not count as missing.
            settings.cluster.nonce_timeout = PATIENCE;
            change(settings);
        })
    }

    /// The sessions in Redis.
    fn kept(&self) -> Vec<String> {
        let mut command = redis::cmd("KEYS");
        let keys: Vec<String> = command
            .arg("test:session:*")
            .query(&mut self.redis.connection())
            .unwrap();
        let is_session = |key: &String| key != "test:session:probe";
        keys.into_iter().filter(is_session).collect()
    }
}

fn strict(settings: &mut Settings) {
    settings.cluster.require_nonces = true;
}

fn nonces(node: &TestServer) -> NonceStatus {
    node.cluster.as_ref().unwrap().nonce_status().unwrap()
}

async fn connected(node: &TestServer, expected: bool) {
    eventually("the connection", || nonces(node).connected == expected).await;
}

async fn ready(node: &TestServer) -> (u16, Value) {
    let client = awc::Client::default();
    let mut answer = client.get(node.http("/readyz")).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn degraded(node: &TestServer) {
    let named = async { while ready(node).await.1["degraded"] != json!(["redis"]) {} };
    within("/readyz to list Redis", named).await;
}

fn list(session: &Brc104) -> Request {
    session.request("POST", LIST, BODY)
}

/// The record of a session with a random client.
fn record() -> SessionRecord {
    SessionRecord {
        own_nonce: String::from("session"),
        peer_nonce: String::from("nonce"),
        peer: Identity::random().identity_key(),
    }
}

/// The node's sessions, as the test reads them.
fn shared(node: &TestServer) -> RedisSessions {
    // From the node itself, which shares them with its own settings.
    let cluster = node.cluster.as_ref().unwrap();
    cluster.share_sessions(StoreSettings {
        timeout: PATIENCE,
        life: PATIENCE,
        pending_life: PATIENCE,
        max_requests: 1,
    })
}

async fn a_request_counts_once_on_all_nodes_and_after_a_restart() {
    let nodes = Nodes::new();
    let (first, second) = (nodes.node().await, nodes.node().await);
    let session = Brc104::connect(&first.http("")).await;
    let recorded = list(&session);
    assert_eq!(session.send(&recorded).await.status, 200);
    let session = session.at(&second.http(""));
    assert!(session.send(&recorded).await.is_replay());
    // The refused requests used no nonce. The session continues there, and the nonces that it has seen count too.
    let on_second = list(&session);
    assert_eq!(session.send(&on_second).await.status, 200);
    let session = session.at(&first.http(""));
    assert!(session.send(&on_second).await.is_replay());
    for node in [&first, &second] {
        assert_eq!((nonces(node).checked, nonces(node).repeated), (2, 1));
    }
    drop((first, second));
    let restarted = nodes.node().await;
    let session = session.at(&restarted.http(""));
    for request in [&recorded, &on_second] {
        assert!(session.send(request).await.is_replay());
    }
    assert_eq!(session.send(&list(&session)).await.status, 200);
    assert_eq!(nonces(&restarted).repeated, 2);
}

async fn what_nobody_has_proven_is_in_redis_for_five_minutes_and_not_in_the_database() {
    let nodes = Nodes::new();
    let (first, second) = (nodes.node().await, nodes.node().await);
    let session = Brc104::connect(&first.http("")).await;
    let left = || -> u64 {
        let mut command = redis::cmd("PTTL");
        let key = &nodes.kept()[0];
        command
            .arg(key)
            .query(&mut nodes.redis.connection())
            .unwrap()
    };
    let pending = u64::try_from(PENDING_TTL.as_millis()).unwrap();
    assert!((pending / 2..=pending).contains(&left()));
    let session = session.at(&second.http(""));
    assert_eq!(session.send(&list(&session)).await.status, 200);
    assert!(left() > pending);
    assert_eq!(nodes.database.count("auth_sessions"), 0);
    assert_eq!(nodes.database.count("auth_message_nonces"), 0);
}

async fn a_session_that_is_used_up_or_displaced_ends_on_all_nodes_at_once() {
    let nodes = Nodes::new();
    let few = |settings: &mut Settings| {
        settings.auth.max_seen_nonces = 4.try_into().unwrap();
        settings.auth.max_sessions_per_identity = 1.try_into().unwrap();
    };
    let first = nodes.node_with(&nodes.redis.url(), few);
    let second = nodes.node_with(&nodes.redis.url(), few);
    connected(&first, true).await;
    connected(&second, true).await;
    let session = Brc104::connect(&first.http("")).await;
    let recorded = list(&session);
    assert_eq!(session.send(&recorded).await.status, 200);
    // Neither node has seen four requests.
    for node in [&second, &first, &second] {
        let answer = session.send_to(&node.http(""), &list(&session)).await;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(nodes.kept(), [""; 0]);
    for node in [&first, &second] {
        for request in [&list(&session), &recorded] {
            let answer = session.send_to(&node.http(""), request).await;
            assert_eq!((answer.status, answer.signed), (401, false));
        }
    }
    let displaced = Brc104::connect(&first.http("")).await;
    for node in [&first, &second] {
        let answer = displaced.send_to(&node.http(""), &list(&displaced)).await;
        assert_eq!(answer.status, 200);
    }
    let identity = Arc::clone(&displaced.identity);
    let next = Brc104::connect_as(&first.http(""), identity).await;
    assert_eq!(next.send(&list(&next)).await.status, 200);
    eventually("the end of the other", || nodes.kept().len() == 1).await;
    let answer = displaced.send_to(&second.http(""), &list(&displaced)).await;
    assert!(answer.is_unknown_session());
}

async fn of_many_nodes_that_get_a_request_at_once_one_serves_it() {
    let nodes = Nodes::new();
    let servers = join_all((0..3).map(|_| nodes.node())).await;
    let mut session = Brc104::connect(&servers[0].http("")).await;
    for _ in 0..10 {
        let request = list(&session);
        let bases: Vec<String> = servers.iter().map(|server| server.http("")).collect();
        let sending = bases.iter().map(|base| session.send_to(base, &request));
        let answers = join_all(sending).await;
        let served = answers.iter().filter(|answer| answer.status == 200);
        assert_eq!(served.count(), 1);
        let refused = answers.iter().filter(|answer| answer.is_replay());
        assert_eq!(refused.count(), 2);
    }
    // All nonces are in the hash of the one session, with the data to restore it. The hash expires by itself.
    let kept = nodes.kept();
    assert_eq!(kept.len(), 1);
    let mut command = redis::pipe();
    command.hlen(&kept[0]).pttl(&kept[0]);
    let (count, left): (u64, u64) = command.query(&mut nodes.redis.connection()).unwrap();
    let whole = Settings::default().auth.session_ttl;
    let left = Duration::from_millis(left);
    assert_eq!(count, 12);
    assert!(left <= whole && left > whole / 2);
    session = session.at(&servers[2].http(""));
    assert_eq!(session.send(&list(&session)).await.status, 200);
}

async fn while_redis_is_away_requests_are_served_counted_and_told_of_later() {
    let nodes = Nodes::new();
    let way = Way::to(nodes.redis.address).await;
    let near = nodes.node().await;
    let far = nodes.node_with(&way.url(), |_| {});
    connected(&far, true).await;
    let session = Brc104::connect(&far.http("")).await;
    assert_eq!(session.send(&list(&session)).await.status, 200);
    way.cut();
    connected(&far, false).await;
    let meanwhile: Vec<Request> = (0..20).map(|_| list(&session)).collect();
    for request in &meanwhile {
        assert_eq!(session.send(request).await.status, 200);
        // The node still refuses requests that it has seen itself.
        assert!(session.send(request).await.is_replay());
    }
    let status = nonces(&far);
    assert_eq!(
        (status.checked, status.unchecked, status.waiting),
        (1, 20, 20)
    );
    degraded(&far).await;
    // Another node cannot see it yet, as SECURITY.md says of an unreachable Redis.
    let session = session.at(&near.http(""));
    assert_eq!(session.send(&meanwhile[0]).await.status, 200);
    way.mend();
    connected(&far, true).await;
    assert_eq!(nonces(&far).waiting, 0);
    for request in &meanwhile {
        assert!(session.send(request).await.is_replay());
    }
    // This node has seen the first of them itself.
    assert_eq!(nonces(&near).repeated, 19);
    let session = session.at(&far.http(""));
    assert_eq!(session.send(&list(&session)).await.status, 200);
    assert_eq!(nonces(&far).unchecked, 20);
}

async fn where_they_are_required_nothing_is_served_unchecked() {
    let mut nodes = Nodes::new();
    let node = nodes.node_with(&nodes.redis.url(), strict);
    connected(&node, true).await;
    let session = Brc104::connect(&node.http("")).await;
    assert_eq!(session.send(&list(&session)).await.status, 200);
    nodes.redis.kill();
    connected(&node, false).await;
    let refused = list(&session);
    let answer = session.send(&refused).await;
    assert_eq!(
        (answer.status, answer.signed, answer.code()),
        (503, false, "ERR_REPLAY_UNCHECKED")
    );
    assert_eq!(answer.header("retry-after"), Some("1"));
    let not_ready = async { while ready(&node).await.0 != 503 {} };
    within("/readyz to fail", not_ready).await;
    // A handshake proves nothing and repeats nothing.
    let fresh = Brc104::connect(&node.http("")).await;
    nodes.redis.restart();
    connected(&node, true).await;
    assert_eq!(fresh.send(&list(&fresh)).await.status, 200);
    // This Redis has lost the session, and so have all nodes. None of its requests can be repeated.
    assert!(session.send(&list(&session)).await.is_unknown_session());
    let other = nodes.node().await;
    let session = session.at(&other.http(""));
    assert!(session.send(&refused).await.is_unknown_session());
}

async fn a_redis_that_takes_and_does_not_answer_holds_requests_up_for_a_moment_only() {
    let nodes = Nodes::new();
    let node = nodes.node_with(&nodes.redis.url(), |settings| {
        settings.cluster.nonce_timeout = Duration::from_millis(200);
    });
    connected(&node, true).await;
    let session = Brc104::connect(&node.http("")).await;
    nodes.redis.pause();
    let answers = join_all((0..10).map(|_| async { session.send(&list(&session)).await }));
    let answers = within("answers", answers).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    // After one timeout, no request waits for it.
    connected(&node, false).await;
    assert_eq!(session.send(&list(&session)).await.status, 200);
    assert_eq!(nonces(&node).unchecked, 11);
    nodes.redis.resume();
    connected(&node, true).await;
}

/// Several commands went over a connection that is dead. Some of them time out after the next connection is open.
async fn unanswered_commands_of_a_dead_connection_are_repeated_on_the_next() {
    let nodes = Nodes::new();
    let way = Way::to(nodes.redis.address).await;
    let timeout = Duration::from_millis(600);
    let node = nodes.node_with(&way.url(), |settings| {
        settings.cluster.nonce_timeout = timeout;
    });
    connected(&node, true).await;
    let shared = shared(&node);
    let record = Some(Arc::new(record()));
    way.silence();
    let mut claims = Vec::new();
    let mut asking = Vec::new();
    eventually("the connection to be closed", || {
        let nonce = SessionClaim {
            session: SessionName::of("session"),
            nonce: u128::try_from(claims.len()).unwrap().to_be_bytes(),
            record: record.clone(),
        };
        let shared = shared.clone();
        claims.push(nonce.clone());
        asking.push(actix_web::rt::spawn(
            async move { shared.claim(nonce).await },
        ));
        !nonces(&node).connected
    })
    .await;
    for answer in join_all(asking).await {
        assert_eq!(answer.unwrap(), None);
    }
    eventually("all claims to be repeated", || {
        nonces(&node).connected && nonces(&node).waiting == 0
    })
    .await;
    let again = claims.into_iter().map(|nonce| shared.claim(nonce));
    for answer in join_all(again).await {
        assert_eq!(answer, Some(ClaimAnswer::Repeated));
    }
}

/// A whole session expires at once, so a late write must not shorten its life.
async fn a_late_write_does_not_shorten_the_life_of_its_session() {
    let nodes = Nodes::new();
    let way = Way::to(nodes.redis.address).await;
    let (near, far) = (nodes.node().await, nodes.node_with(&way.url(), |_| {}));
    connected(&far, true).await;
    let [near_nonces, far_nonces] = [&near, &far].map(shared);
    way.cut();
    connected(&far, false).await;
    let record = Some(Arc::new(record()));
    let nonce = |n| SessionClaim {
        session: SessionName::of("session"),
        nonce: [n; 16],
        record: record.clone(),
    };
    assert_eq!(far_nonces.claim(nonce(1)).await, None);
    assert_eq!(near_nonces.claim(nonce(2)).await, Some(ClaimAnswer::First));
    let key = &nodes.kept()[0];
    let ends = || -> u64 {
        let mut command = redis::cmd("PEXPIRETIME");
        command
            .arg(key)
            .query(&mut nodes.redis.connection())
            .unwrap()
    };
    let before = ends();
    way.mend();
    connected(&far, true).await;
    assert_eq!(nonces(&far).waiting, 0);
    assert!(ends() >= before);
}

async fn a_full_redis_is_reported_as_not_working() {
    let nodes = Nodes::new();
    let mut full = redis::pipe();
    full.cmd("CONFIG").arg("SET").arg("maxmemory").arg(1);
    full.exec(&mut nodes.redis.connection()).unwrap();
    let node = nodes.node_with(&nodes.redis.url(), |_| {});
    degraded(&node).await;
    let session = Brc104::connect(&node.http("")).await;
    assert_eq!(session.send(&list(&session)).await.status, 200);
    assert_eq!((nonces(&node).checked, nonces(&node).unchecked), (0, 1));
    let mut room = redis::pipe();
    room.cmd("CONFIG").arg("SET").arg("maxmemory").arg(0);
    room.exec(&mut nodes.redis.connection()).unwrap();
    connected(&node, true).await;
    assert_eq!(nonces(&node).waiting, 0);
}

async fn redis_keeps_nothing_where_sessions_stay_on_their_node() {
    let nodes = Nodes::new();
    let node = nodes.node_with(&nodes.redis.url(), |settings| {
        let section = &mut settings.auth.certificates;
        let certifier = Identity::random().identity_key().to_hex();
        section.certifiers.push(certifier);
        section.types.insert(STANDARD.encode([7; 32]), Vec::new());
    });
    Brc104::connect(&node.http("")).await;
    assert!(node.cluster.as_ref().unwrap().nonce_status().is_none());
    assert_eq!(nodes.kept(), [""; 0]);
}

async fn admins_see_the_traffic_between_nodes() {
    let nodes = Nodes::new();
    let named = |settings: &mut Settings| settings.cluster.node_name = Some("node 1".to_owned());
    let first = nodes.node_with(&nodes.redis.url(), named);
    connected(&first, true).await;
    let second = nodes.node().await;
    let session = Brc104::connect(&first.http("")).await;
    let request = list(&session);
    assert_eq!(session.send(&request).await.status, 200);
    let repeated = session.send_to(&second.http(""), &request).await;
    assert!(repeated.is_replay());
    eventually("the nodes to list each other", || {
        let nodes = [&first, &second];
        nodes
            .iter()
            .all(|node| node.cluster.as_ref().unwrap().peers().len() == 1)
    })
    .await;
    let status = ask(&second, "GET", "/admin/status").await;
    let documents = Documents::of(&second.http("")).await;
    assert!(documents.is_valid("Status", &status), "{status}");
    let cluster = &status["cluster"];
    assert_eq!(
        (&cluster["connected"], &cluster["caughtUp"]),
        (&json!(true), &json!(0))
    );
    let peer = &cluster["peers"][0];
    assert_eq!(cluster["peers"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&peer["name"], &peer["version"], &peer["present"]),
        (
            &json!("node 1"),
            &json!(env!("CARGO_PKG_VERSION")),
            &json!(true)
        )
    );
    assert!(peer["silentSeconds"].as_u64().unwrap() < 16, "{peer}");
    let expected = json!({"connected": true, "checked": 1, "repeated": 1, "unchecked": 0, "waiting": 0, "forgotten": 0});
    assert_eq!(cluster["nonces"], expected);
    let (_, text) = ask_with(&second, "GET", "/metrics", &[]).await;
    let families = exposition::read(&text);
    for (name, expected) in [
        ("connected", json!({"events": 1.0, "nonces": 1.0})),
        ("peers", json!({"present": 1.0, "silent": 0.0})),
        (
            "nonces_total",
            json!({"checked": 1.0, "repeated": 1.0, "unchecked": 0.0, "forgotten": 0.0}),
        ),
    ] {
        let samples = &families[&format!("messagebox_cluster_{name}")].samples;
        let counts = samples.iter().map(|(_, labels, value)| {
            let word = labels.values().next().unwrap();
            (word.clone(), json!(value))
        });
        assert_eq!(Value::Object(counts.collect()), expected);
    }
    assert_eq!(families["messagebox_cluster_events_total"].samples.len(), 7);
}

pub fn tests() -> Vec<Test> {
    vec![
        test!(
            a_request_counts_once_on_all_nodes_and_after_a_restart,
            [REDIS]
        ),
        test!(
            what_nobody_has_proven_is_in_redis_for_five_minutes_and_not_in_the_database,
            [REDIS]
        ),
        test!(
            a_session_that_is_used_up_or_displaced_ends_on_all_nodes_at_once,
            [REDIS]
        ),
        test!(
            of_many_nodes_that_get_a_request_at_once_one_serves_it,
            [REDIS]
        ),
        test!(
            while_redis_is_away_requests_are_served_counted_and_told_of_later,
            [REDIS]
        ),
        test!(where_they_are_required_nothing_is_served_unchecked, [REDIS]),
        test!(
            a_redis_that_takes_and_does_not_answer_holds_requests_up_for_a_moment_only,
            [REDIS]
        ),
        test!(
            unanswered_commands_of_a_dead_connection_are_repeated_on_the_next,
            [REDIS]
        ),
        test!(
            a_late_write_does_not_shorten_the_life_of_its_session,
            [REDIS]
        ),
        test!(a_full_redis_is_reported_as_not_working, [REDIS]),
        test!(
            redis_keeps_nothing_where_sessions_stay_on_their_node,
            [REDIS]
        ),
        test!(admins_see_the_traffic_between_nodes, [REDIS]),
    ]
}
