//! A database that fails over: it ends its connections, takes no writes for a while, or moves to another host.

use std::time::{Duration, Instant};

use messagebox::config::Secret;
use messagebox::db::{DatabaseUrl, DbSettings, apply_migrations};
use serde_json::json;

use crate::own_server::{Make, OwnServer};
use crate::support::brc104::Brc104;
use crate::support::eventually_async;
use crate::support::server::TestServer;

/// The time in which a server must write again.
const SECONDS: Duration = Duration::from_secs(8);

fn server(url: &str) -> TestServer {
    TestServer::with(|settings| settings.database.url = Some(Secret::new(url)))
}

/// A client that sends to itself.
struct Client {
    client: Brc104,
    sent: Vec<String>,
}

impl Client {
    async fn of(server: &TestServer) -> Self {
        Self {
            client: Brc104::connect(&server.http("")).await,
            sent: Vec::new(),
        }
    }

    /// Sends a message and returns the status.
    async fn send(&mut self, id: &str) -> u16 {
        let recipient = self.client.identity.identity_key().to_hex();
        let message =
            json!({"recipient": recipient, "messageBox": "inbox", "messageId": id, "body": id});
        let message = json!({ "message": message }).to_string();
        let status = self.client.post("/sendMessage", message).await.status;
        if status == 200 {
            self.sent.push(id.to_owned());
        }
        status
    }

    /// Lists and returns the status. The list must have every acknowledged message once.
    async fn list(&self) -> u16 {
        let answer = self
            .client
            .post("/listMessages", r#"{"messageBox":"inbox"}"#)
            .await;
        if answer.status == 200 {
            let listed = answer.json["messages"].as_array().unwrap().iter();
            let listed = listed.map(|message| message["messageId"].as_str().unwrap());
            let mut listed: Vec<&str> = listed.collect();
            listed.sort_unstable();
            let mut sent: Vec<&str> = self.sent.iter().map(String::as_str).collect();
            sent.sort_unstable();
            assert_eq!(listed, sent);
        }
        answer.status
    }
}

async fn readiness(server: &TestServer) -> u16 {
    let client = awc::Client::default();
    let answer = client.get(server.http("/readyz")).send().await;
    answer.unwrap().status().as_u16()
}

/// Sends until messages are stored again, and some more.
async fn writes_again(server: &TestServer, client: &mut Client, name: &str) {
    let begin = Instant::now();
    let mut tries = 0;
    while client.send(&format!("{name} {tries}")).await != 200 {
        assert!(begin.elapsed() < SECONDS, "{name}: nothing is stored");
        tries += 1;
    }
    for n in 0..20 {
        let status = client.send(&format!("{name}, then {n}")).await;
        assert_eq!(status, 200, "{name}: a read-only connection was kept");
    }
    eventually_async("readiness", async || readiness(server).await == 200).await;
    assert_eq!(client.list().await, 200);
}

async fn is_left_while_it_takes_no_writes(make: Make) {
    let database = OwnServer::start(make, &[]);
    let server = server(&database.ordinary_url());
    let mut client = Client::of(&server).await;
    assert_eq!(client.send("first").await, 200);
    for is_cut in [true, false] {
        database.set_read_only(true);
        if is_cut {
            assert!(database.cut() > 0);
        }
        eventually_async("a refusal", async || client.send("refused").await == 500).await;
        eventually_async("/readyz to fail", async || readiness(&server).await == 503).await;
        for _ in 0..9 {
            assert_eq!(client.send("refused").await, 500);
            // Reads still work.
            assert_eq!(client.list().await, 200);
        }
        database.set_read_only(false);
        writes_again(&server, &mut client, if is_cut { "cut" } else { "kept" }).await;
    }
}

pub async fn a_mariadb_that_takes_no_writes_for_a_while_is_left_and_found_again() {
    is_left_while_it_takes_no_writes(Make::MariaDb).await;
}

pub async fn a_postgresql_that_takes_no_writes_for_a_while_is_left_and_found_again() {
    is_left_while_it_takes_no_writes(Make::Postgres).await;
}

async fn idle_connections_that_the_server_has_closed_are_not_noticed(make: Make) {
    let database = OwnServer::start(make, &[]);
    let server = server(&database.url());
    let mut client = Client::of(&server).await;
    for round in 0..5 {
        assert_eq!(client.send(&format!("before {round}")).await, 200);
        assert_eq!(client.list().await, 200);
        assert!(database.cut() > 0);
        assert_eq!(client.list().await, 200, "a read met a closed connection");
        assert!(database.cut() > 0);
        let status = client.send(&format!("after {round}")).await;
        assert_eq!(status, 200, "a write met a closed connection");
    }
}

pub async fn closed_connections_of_mariadb_are_not_noticed() {
    idle_connections_that_the_server_has_closed_are_not_noticed(Make::MariaDb).await;
}

pub async fn closed_connections_of_postgresql_are_not_noticed() {
    idle_connections_that_the_server_has_closed_are_not_noticed(Make::Postgres).await;
}

/// The first of two hosts takes no writes. Then the second goes away, and the first takes them.
async fn the_host_that_takes_writes_is_used(make: Make, parameters: &str) {
    let (first, mut second) = (OwnServer::start(make, &[]), OwnServer::start(make, &[]));
    for server in [&first, &second] {
        let url = DatabaseUrl::parse(&server.ordinary_url()).unwrap();
        apply_migrations(&DbSettings::new(url)).unwrap();
    }
    first.set_read_only(true);
    let hosts = format!("{},{}", first.address(), second.address());
    let url = second
        .ordinary_url()
        .replace(&second.address().to_string(), &hosts);
    let server = server(&format!("{url}{parameters}"));
    let mut client = Client::of(&server).await;
    writes_again(&server, &mut client, "second").await;
    let query = "SELECT 'x' AS value FROM messages";
    assert_eq!(
        (first.texts(query).len(), second.texts(query).len()),
        (0, 21)
    );
    second.kill();
    first.set_read_only(false);
    // The first host has neither the session nor the messages of the second.
    client.sent.clear();
    let begin = Instant::now();
    let mut moved = None;
    while moved.is_none() {
        assert!(begin.elapsed() < SECONDS, "the other host is not used");
        let identity = std::sync::Arc::new(messagebox::auth::Identity::random());
        moved = Brc104::try_connect_as(&server.http(""), identity).await;
    }
    client.client = moved.unwrap();
    writes_again(&server, &mut client, "first").await;
    assert!(first.texts(query).len() >= 21);
}

pub async fn of_several_hosts_of_mariadb_the_one_that_takes_writes_is_used() {
    the_host_that_takes_writes_is_used(Make::MariaDb, "").await;
}

pub async fn of_several_hosts_of_postgresql_the_one_that_takes_writes_is_used() {
    let parameters = "?target_session_attrs=read-write";
    the_host_that_takes_writes_is_used(Make::Postgres, parameters).await;
    the_host_that_takes_writes_is_used(Make::Postgres, "").await;
}
