//! Redis with an account for the server that has only the permissions it needs, under its prefix.

use std::sync::Arc;

use messagebox::auth::Identity;
use serde_json::json;

use super::cluster::{Sender, connected, listened_to, member, next, node, room, status};
use super::need::REDIS;
use super::redis_server::RedisServer;
use super::support::brc104::Brc104;
use super::support::eventually;
use super::test::{Test, test};

async fn an_account_with_few_rights_is_enough() {
    let redis = RedisServer::start();
    let mut connection = redis.connection();
    let mut account = redis::cmd("ACL");
    account.arg(&[
        "SETUSER",
        "box",
        "on",
        ">secret",
        "resetkeys",
        "resetchannels",
    ]);
    account.arg(&[
        "~test:*",
        "&test:*",
        "+@all",
        "-@admin",
        "-@dangerous",
        "+info",
    ]);
    account.exec(&mut connection).unwrap();
    let url = redis.url().replace("redis://", "redis://box:secret@");
    let folder = tempfile::tempdir().unwrap();
    let (near, far) = (node(folder.path(), &url), node(folder.path(), &url));
    connected(&[&near, &far], true).await;
    let nonces = || [&near, &far].map(|it| it.cluster.as_ref().unwrap().nonce_status());
    let work = || {
        nonces()
            .iter()
            .all(|it| it.as_ref().is_some_and(|it| it.connected))
    };
    eventually("the connection for nonces", work).await;
    // Events pass from node to node.
    let identity = Arc::new(Identity::random());
    let mut bob = member(&far, &identity).await;
    listened_to(&redis, &identity, 1).await;
    Sender::on(&near, "s").await.send(&room(&identity), 5).await;
    assert_eq!(next(&mut bob, 5).await.len(), 5);
    // A session of one node works on the other, where a request counts once.
    let alice = Brc104::connect(&near.http("")).await;
    let request = alice.request("POST", "/listMessages", r#"{"messageBox":"inbox"}"#);
    assert_eq!(alice.send(&request).await.status, 200);
    assert!(alice.send_to(&far.http(""), &request).await.is_replay());
    let elsewhere = alice.request("POST", "/listMessages", r#"{"messageBox":"inbox"}"#);
    assert_eq!(alice.send_to(&far.http(""), &elsewhere).await.status, 200);
    // The server tried nothing that the account does not permit.
    let mut denied = redis::cmd("ACL");
    let denied: Vec<redis::Value> = denied.arg("LOG").query(&mut connection).unwrap();
    assert!(denied.is_empty(), "{denied:?}");
    let mut clients = redis::cmd("CLIENT");
    let clients: String = clients.arg("LIST").query(&mut connection).unwrap();
    assert!(clients.matches(" user=box ").count() >= 4, "{clients}");
}

/// The server starts with a wrong password. `/readyz` names Redis, and works again with the right one.
async fn a_wrong_password_is_reported() {
    let redis = RedisServer::start();
    let mut connection = redis.connection();
    let mut account = |password: &str| {
        let mut command = redis::cmd("ACL");
        command.arg(&["SETUSER", "box", "on", "resetpass", password]);
        command.arg(&["~test:*", "&test:*", "+@all"]);
        command.exec(&mut connection).unwrap();
    };
    account(">other");
    let url = redis.url().replace("redis://", "redis://box:secret@");
    let folder = tempfile::tempdir().unwrap();
    let server = node(folder.path(), &url);
    let client = awc::Client::default();
    let mut ready = client.get(server.http("/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 200);
    let ready: serde_json::Value = ready.json().await.unwrap();
    assert_eq!(ready["degraded"], json!(["redis"]), "{ready}");
    assert!(!status(&server).connected);
    account(">secret");
    connected(&[&server], true).await;
}

pub fn tests() -> Vec<Test> {
    vec![
        test!(an_account_with_few_rights_is_enough, [REDIS]),
        test!(a_wrong_password_is_reported, [REDIS]),
    ]
}
