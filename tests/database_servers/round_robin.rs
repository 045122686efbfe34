//! Three nodes behind a balancer that sends each request to the next one. The test kills all nodes at once, and no
//! client has to shake hands again.
//!
//! `SCALE=5` runs it with 1,000 sessions.

use std::net::SocketAddr;

use futures_util::future::join_all;

use crate::redis_network::RedisNetwork;
use crate::support::brc104::{Answer, Brc104};
use crate::support::database::{Kind, TestDatabase};
use crate::support::server::{ServerProcess, free_address};

/// Sessions for each unit of `SCALE`.
const SESSIONS: usize = 200;

/// Clients that work at the same time.
const AT_ONCE: usize = 20;

const NODES: usize = 3;

/// The store of the sessions.
enum Store {
    Redis,
    Postgres,
    MariaDb,
}

struct Balanced {
    addresses: Vec<SocketAddr>,
    folders: Vec<tempfile::TempDir>,
    variables: Vec<(&'static str, String)>,
    processes: Vec<ServerProcess>,
    _redis: Option<RedisNetwork>,
    /// Declared after its users, so that it is dropped last.
    database: TestDatabase,
}

impl Balanced {
    async fn start(store: &Store) -> Self {
        let database = TestDatabase::of(match store {
            Store::Redis | Store::Postgres => Kind::Postgres,
            Store::MariaDb => Kind::Mysql,
        });
        let mut variables = vec![
            ("DATABASE_URL", database.url().to_owned()),
            ("SERVER_PRIVATE_KEY", "5".repeat(64)),
        ];
        let redis = match store {
            Store::Redis => Some(RedisNetwork::start().await),
            Store::Postgres | Store::MariaDb => None,
        };
        if let Some(redis) = &redis {
            variables.push(("REDIS_URL", redis.first_url()));
            // On a busy machine, a slow Redis must not count as missing.
            variables.push(("CLUSTER_NONCE_TIMEOUT", String::from("20s")));
        }
        let mut nodes = Self {
            addresses: (0..NODES).map(|_| free_address()).collect(),
            folders: (0..NODES).map(|_| tempfile::tempdir().unwrap()).collect(),
            variables,
            processes: Vec::new(),
            _redis: redis,
            database,
        };
        nodes.start_all();
        nodes
    }

    fn start_all(&mut self) {
        let variables: Vec<(&str, &str)> = self
            .variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let nodes = self.addresses.iter().zip(&self.folders);
        let start = |(address, folder): (&SocketAddr, &tempfile::TempDir)| {
            ServerProcess::with(*address, folder.path(), &variables, None)
        };
        self.processes = nodes.map(start).collect();
    }

    fn kill_all(&mut self) {
        for process in self.processes.drain(..) {
            process.kill();
        }
    }

    /// The node for the request with this number.
    fn base(&self, turn: usize) -> String {
        format!("http://{}", self.addresses[turn % NODES])
    }

    async fn ask(&self, session: &Brc104, turn: usize) -> Answer {
        let request = session.request("POST", "/listMessages", r#"{"messageBox":"inbox"}"#);
        session.send_to(&self.base(turn), &request).await
    }

    /// Sends each session's next request to the node after its last one.
    async fn ask_in_each(&self, sessions: &[Brc104], turn: usize) {
        for (batch, sessions) in sessions.chunks(AT_ONCE).enumerate() {
            let number = |index| batch * AT_ONCE + index + turn;
            let answers = sessions.iter().enumerate();
            let answers = answers.map(|(index, session)| self.ask(session, number(index)));
            for answer in join_all(answers).await {
                assert!(answer.status == 200 && answer.signed, "{answer:?}");
            }
        }
    }
}

async fn no_client_shakes_hands_again(store: Store) {
    let scale = std::env::var("SCALE").map_or(1, |scale| scale.parse().unwrap());
    let mut nodes = Balanced::start(&store).await;
    // Nodes reach Redis a moment after the start. Until then, sessions work only where they began.
    let reached = async || {
        let session = Brc104::connect(&nodes.base(0)).await;
        let first = nodes.ask(&session, 1).await.status;
        first == 200 && nodes.ask(&session, 2).await.status == 200
    };
    crate::support::eventually_async("shared sessions", reached).await;
    let mut sessions = Vec::new();
    while sessions.len() < SESSIONS * scale {
        let number = sessions.len();
        let bases: Vec<String> = (0..AT_ONCE).map(|n| nodes.base(number + n)).collect();
        let begun = bases.iter().map(|base| Brc104::connect(base));
        sessions.extend(join_all(begun).await);
    }
    // The first request of each session reaches another node than its handshake.
    nodes.ask_in_each(&sessions, 1).await;
    nodes.kill_all();
    nodes.start_all();
    if matches!(store, Store::Redis) {
        let connected = async || {
            let session = Brc104::connect(&nodes.base(0)).await;
            nodes.ask(&session, 1).await.status == 200 && nodes.ask(&session, 2).await.status == 200
        };
        crate::support::eventually_async("shared sessions", connected).await;
    }
    nodes.ask_in_each(&sessions, 2).await;
    nodes.ask_in_each(&sessions, 3).await;
    let stored = nodes.database.count("auth_sessions");
    match store {
        Store::Redis => assert_eq!(stored, 0),
        Store::Postgres | Store::MariaDb => assert!(stored >= sessions.len()),
    }
}

pub async fn with_redis_no_client_shakes_hands_again() {
    no_client_shakes_hands_again(Store::Redis).await;
}

pub async fn with_postgresql_no_client_shakes_hands_again() {
    no_client_shakes_hands_again(Store::Postgres).await;
}

pub async fn with_mariadb_no_client_shakes_hands_again() {
    no_client_shakes_hands_again(Store::MariaDb).await;
}
