//! The log of several nodes.

use crate::need::REDIS;
use crate::redis_server::RedisServer;
use crate::support::authsocket::AuthSocketClient;
use crate::support::server::{ServerProcess, free_address};
use crate::test::{Test, test};

const BODY: &str = "a body that no log has";

/// Waits until a message was delivered live, which happens after its fan-out.
async fn delivered(member: &mut AuthSocketClient, message_id: &str) {
    loop {
        let (name, data) = member.event().await;
        if name.starts_with("sendMessage-") && data["messageId"] == message_id {
            return;
        }
    }
}

async fn the_lines_of_one_message_bear_one_id_on_every_node() {
    let (redis, folder) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let database = format!("sqlite://{}", folder.path().join("messagebox.db").display());
    let (url, key) = (redis.url(), "5".repeat(64));
    let variables = [
        ("LOG_FORMAT", "json"),
        ("RUST_LOG", "messagebox=debug"),
        ("SERVER_PRIVATE_KEY", key.as_str()),
        ("DATABASE_URL", database.as_str()),
        ("REDIS_URL", url.as_str()),
    ];
    let start = |name: &str| {
        let (address, own) = (free_address(), folder.path().join(name));
        std::fs::create_dir(&own).unwrap();
        (
            ServerProcess::with(address, &own, &variables, None),
            address,
        )
    };
    let ((first, near), (second, far)) = (start("first"), start("second"));
    let mut alice = AuthSocketClient::authenticated(near).await;
    let mut bob = AuthSocketClient::authenticated(far).await;
    // Messages read from the database have no id: they came before the far node subscribed.
    for id in ["1", "2"] {
        alice.send_message(&bob.room("inbox"), id, BODY).await;
        delivered(&mut bob, id).await;
    }
    let last_id = |server: &ServerProcess, text: &str| {
        let lines = server.log_objects();
        let line = lines
            .iter()
            .rfind(|line| line["message"].as_str().unwrap().contains(text));
        line.unwrap_or_else(|| panic!("{lines:#?}"))["id"].clone()
    };
    let id = last_id(&first, "messages are queued for storage");
    assert!(id.is_string());
    assert_eq!(last_id(&second, "an event goes to 1 members"), id);
}

pub fn tests() -> Vec<Test> {
    vec![test!(
        the_lines_of_one_message_bear_one_id_on_every_node,
        [REDIS]
    )]
}
