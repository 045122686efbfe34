//! The load test's binary against two nodes.

use std::process::Command;
use std::sync::Arc;

use messagebox::config::Secret;

use crate::need::REDIS;
use crate::redis_server::RedisServer;
use crate::support::database::TestDatabase;
use crate::support::eventually;
use crate::support::server::TestServer;
use crate::test::{Test, test};

async fn members_may_be_at_another_node() {
    let (redis, database) = (RedisServer::start(), Arc::new(TestDatabase::create()));
    let node = || {
        TestServer::on(Arc::clone(&database), |settings| {
            settings.identity.private_key = Some(Secret::new("5".repeat(64)));
            settings.cluster.redis_url = Some(Secret::new(redis.url()));
        })
    };
    let nodes = [node(), node()];
    let status = |node: &TestServer| node.cluster.as_ref().unwrap().status();
    for node in &nodes {
        eventually("the connection", || status(node).connected).await;
    }
    let [near, far] = &nodes;
    let arguments = format!(
        "rooms --sockets 3 --rooms 3 --warm-up 100ms --duration 600ms --server {} --members-at {}",
        near.http(""),
        far.http("")
    );
    let output = Command::new(env!("CARGO_BIN_EXE_messagebox-loadtest"))
        .args(arguments.split_whitespace())
        .arg("--quiet")
        .output()
        .unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.ends_with("PASS\n"), "{table}");
    assert!(status(near).published > 0);
    assert_eq!(status(near).received, 0);
}

pub fn tests() -> Vec<Test> {
    vec![test!(members_may_be_at_another_node, [REDIS])]
}
