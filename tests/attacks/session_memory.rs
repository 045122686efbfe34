//! Redis: the memory that it keeps per request, and a recorded request at another node.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;

use futures_util::future::join_all;

use crate::client::{Client, LIST, ask_raw, connect_from, message, wire};
use crate::outcome::{Attack, Outcome, attack};
use crate::redis_server::RedisServer;
use crate::support::server::free_address;
use crate::support::{eventually, within};
use crate::target::{ATTACKER, OTHERS, Target};

pub fn attacks() -> Vec<Attack> {
    vec![
        attack!(
            "A18",
            "filling Redis with the nonces of requests",
            filling_redis
        ),
        attack!(
            "nodes",
            "a recorded request at another node, and after restarts",
            replay_at_nodes
        ),
    ]
}

fn has_redis() -> bool {
    let version = Command::new("redis-server").arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}

/// A number from `INFO memory` or `INFO keyspace`.
fn info(redis: SocketAddr, section: &str, name: &str) -> u64 {
    let mut stream = TcpStream::connect(redis).unwrap();
    stream
        .write_all(format!("INFO {section}\r\nQUIT\r\n").as_bytes())
        .unwrap();
    let mut output = String::new();
    stream.read_to_string(&mut output).unwrap();
    let after = output.split_once(name).map_or("", |(_, after)| after);
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

async fn connected(target: &Target) {
    let log = || target.process.log();
    eventually("the connection to Redis", || {
        log().to_lowercase().contains("redis")
    })
    .await;
    let ready = async {
        while !target.is_ready().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    within("readiness with Redis", ready).await;
}

/// Lists over and over in one session on eight connections. Returns how many requests got 401.
async fn ask_many(client: &Client, server: SocketAddr, count: u64) -> u64 {
    let ask = async |_: u64| {
        let mut stream = connect_from(ATTACKER, server).await.unwrap();
        let mut refused = 0;
        for _ in 0..count / 8 {
            let request = client.request("POST", "/listMessages", LIST);
            match ask_raw(&mut stream, &wire(&request)).await {
                Ok(reply) => refused += u64::from(reply.status == 401),
                // The server has closed the connection.
                Err(_) => stream = connect_from(ATTACKER, server).await.unwrap(),
            }
        }
        refused
    };
    join_all((0..8).map(ask)).await.into_iter().sum()
}

async fn filling_redis() -> Outcome {
    const REQUESTS: u64 = 3_500;
    if !has_redis() {
        return Outcome::not_run("redis-server");
    }
    let mut outcome = Outcome::default();
    let redis = RedisServer::start();
    let target = Target::with(&[("REDIS_URL", &redis.url())]);
    connected(&target).await;
    let mut client = Client::proven(target.address, ATTACKER).await;
    // A refused request leaves as much in memory.
    let unknown = client.request("GET", "/nothing", "");
    client.send(&unknown).await.unwrap();
    let used = || info(redis.address, "memory", "used_memory:");
    let before = used();
    let refused = ask_many(&client, target.address, REQUESTS).await;
    outcome.holds(refused == 0, format!("{refused} of {REQUESTS} refused"));
    let each = used().saturating_sub(before) / REQUESTS;
    outcome.at_most("bytes in Redis for each request", each, 110);
    // The session is exhausted after 4,096 requests, and its nonces go with it.
    let ended = ask_many(&client, target.address, 700).await > 0;
    outcome.holds(ended, "the session never ends");
    // Redis shrinks its own buffers and tables later.
    let left = used().saturating_sub(before);
    let bound = each * REQUESTS / 2;
    outcome.at_most("bytes left once the session was used up", left, bound);
    let keys = info(redis.address, "keyspace", "keys=");
    outcome.at_most("keys left", keys, 2);
    outcome.did(format!("{} requests of one session", REQUESTS + 600));
    target.is_alive(&mut outcome).await;
    outcome
}

async fn replay_at_nodes() -> Outcome {
    if !has_redis() {
        return Outcome::not_run("redis-server");
    }
    let mut outcome = Outcome::default();
    let redis = RedisServer::start();
    let url = redis.url();
    let variables = [("REDIS_URL", &*url)];
    let first = Target::with(&variables);
    let second = Target::on(Arc::clone(&first.database), free_address(), &variables);
    connected(&first).await;
    connected(&second).await;
    let mut client = Client::proven(first.address, OTHERS).await;
    let recorded = [
        client.request(
            "POST",
            "/sendMessage",
            message(client.key(), "inbox", "1", "x"),
        ),
        client.request("POST", "/listMessages", LIST),
        client.request("GET", "/nothing", ""),
    ];
    for request in &recorded {
        let status = client.send(request).await.unwrap().status;
        outcome.holds(
            matches!(status, 200 | 404),
            format!("{}: {status}", request.target),
        );
    }
    let first = first.restarted(&variables);
    connected(&first).await;
    for (name, node) in [
        ("another node", &second),
        ("the node after SIGKILL", &first),
    ] {
        for request in &recorded {
            let mut stream = connect_from(ATTACKER, node.address).await.unwrap();
            let reply = ask_raw(&mut stream, &wire(request)).await.unwrap();
            let is_refused = (reply.status, reply.signed) == (401, false);
            outcome.holds(
                is_refused,
                format!("{} at {name}: {}", request.target, reply.status),
            );
        }
    }
    outcome.did("a send, a list and a request to nowhere, recorded, at two nodes with Redis and after SIGKILL");
    outcome.measured("six of six answered 401");
    second.is_alive(&mut outcome).await;
    outcome
}
