//! Redis over TLS, with the authorities that the system trusts or those that the operator names.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::need::REDIS;
use super::redis_server::RedisServer;
use super::support::server::{ServerProcess, free_address};
use super::support::tls::{authority, in_front_of};
use super::support::{eventually, within};
use super::test::{Test, test};

pub fn tests() -> Vec<Test> {
    vec![test!(redis_is_reached_over_tls, [REDIS])]
}

async fn redis_is_reached_over_tls() {
    let redis = RedisServer::start();
    let tls = in_front_of(redis.address).await;
    let url = format!("rediss://localhost:{}", tls.port());
    let insecure = format!("{url}/#insecure");
    for (url, certificates) in [(&url, Some(authority())), (&insecure, None)] {
        let node = node(url, certificates).await;
        let linked = async { while !names_redis(&ready(&node).await) {} };
        within("the link to Redis", linked).await;
    }
    let node = node(&url, None).await;
    let refused = || node.process.log().contains("Redis: Io");
    eventually("the certificate to be refused", refused).await;
    assert!(!names_redis(&ready(&node).await));
}

fn names_redis(ready: &Value) -> bool {
    ready.as_array().unwrap().contains(&json!("redis"))
}

struct Node {
    process: ServerProcess,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

/// A server with this Redis address that trusts these authorities, or those of the system.
async fn node(redis: &str, certificates: Option<String>) -> Node {
    let (redis, address) = (redis.to_owned(), free_address());
    let starting = tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir().unwrap();
        let mut variables = vec![("REDIS_URL", redis.as_str())];
        variables.extend(
            certificates
                .iter()
                .map(|file| ("SSL_CERT_FILE", file.as_str())),
        );
        Node {
            process: ServerProcess::with(address, folder.path(), &variables, None),
            address,
            _folder: folder,
        }
    });
    starting.await.unwrap()
}

/// The dependencies that `/readyz` lists as working.
async fn ready(node: &Node) -> Value {
    let url = format!("http://{}/readyz", node.address);
    let mut answer = awc::Client::default().get(url).send().await.unwrap();
    let body: Value = answer.json().await.unwrap();
    body["ready"].clone()
}
