//! Log lines: JSON, correlation ids, and levels that can change.

use std::sync::Arc;

use messagebox::auth::Identity;
use messagebox::ids::IdentityKey;
use serde_json::json;

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::Brc104;
use crate::support::polling::{self, client};
use crate::support::server::{ServerProcess, free_address};
use crate::support::{eventually, eventually_async};

const TOKEN: &str = "a token of the operator";
const BODY: &str = "a body that no log has";

async fn set_level(address: std::net::SocketAddr, level: &str) -> u16 {
    let url = format!("http://{address}/admin/log-level?level={level}");
    let request = client()
        .post(url)
        .insert_header(("authorization", format!("Bearer {TOKEN}")));
    request.send().await.unwrap().status().as_u16()
}

/// Waits until a message was delivered live, which happens after its fan-out.
async fn delivered(member: &mut AuthSocketClient, message_id: &str) {
    loop {
        let (name, data) = member.event().await;
        if name.starts_with("sendMessage-") && data["messageId"] == message_id {
            return;
        }
    }
}

#[actix_web::test]
async fn every_line_is_an_object_and_those_of_one_message_bear_one_id() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let variables = [("LOG_FORMAT", "json"), ("ADMIN_TOKEN", TOKEN)];
    let server = ServerProcess::with(address, folder.path(), &variables, None);
    let mut bob = AuthSocketClient::authenticated(address).await;
    let room = bob.room("inbox");
    bob.send_message(&room, "quiet", BODY).await;
    delivered(&mut bob, "quiet").await;
    assert_eq!(set_level(address, "info,messagebox=debug").await, 200);
    let before = server.log_objects();
    assert!(before.iter().all(|line| line["level"] != "DEBUG"));
    for id in ["1", "2"] {
        bob.send_message(&room, id, BODY).await;
        delivered(&mut bob, id).await;
    }
    let alice =
        Brc104::connect_as(&format!("http://{address}"), Arc::new(Identity::random())).await;
    let message = json!({"message": {"messageBox": "b", "body": BODY, "recipient": bob.key().to_hex(), "messageId": "3"}});
    assert_eq!(
        alice.post("/sendMessage", message.to_string()).await.status,
        200
    );
    delivered(&mut bob, "3").await;
    assert_eq!(
        alice.post("/nothing%0a[ERROR]%20forged", "").await.status,
        404
    );
    assert_eq!(set_level(address, "warn").await, 200);
    let after = server.log_objects();
    for line in &after {
        for key in ["ts", "level", "target", "message"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
        let text = line.to_string();
        assert!(!text.contains(BODY) && !text.contains(TOKEN), "{text}");
    }
    let ids = |text: &str| -> Vec<String> {
        let matching = after
            .iter()
            .filter(|line| line["message"].as_str().unwrap().contains(text));
        matching
            .map(|line| {
                line["id"]
                    .as_str()
                    .unwrap_or_else(|| panic!("{line}"))
                    .to_owned()
            })
            .collect()
    };
    let (waits, stored, answered) = (
        ids("messages are queued for storage"),
        ids("messages are stored"),
        ids("a message is answered"),
    );
    let passed_on = ids("an event goes to 1 members");
    assert_eq!(
        (waits.len(), stored.len(), answered.len()),
        (3, 3, 2),
        "{after:#?}"
    );
    let mut distinct = waits.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 3, "ids differ: {waits:?}");
    assert!(distinct.iter().all(|id| id.len() == 8));
    assert_eq!(stored, waits);
    assert_eq!(passed_on, waits);
    assert_eq!(answered, waits[..2]);
    // The log shows none of this now.
    bob.send_message(&room, "4", BODY).await;
    while !bob.event().await.0.starts_with("sendMessageAck-") {}
    assert_eq!(server.log_objects().len(), after.len());
    server.kill();
}

#[actix_web::test]
async fn text_has_the_id_too_and_a_wrong_level_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let variables = [("RUST_LOG", "messagebox=debug"), ("ADMIN_TOKEN", TOKEN)];
    let server = ServerProcess::with(address, folder.path(), &variables, None);
    for wrong in ["loud", "", "messagebox=loud"] {
        assert_eq!(set_level(address, wrong).await, 400, "{wrong}");
    }
    let mut bob = AuthSocketClient::authenticated(address).await;
    bob.send_message(&bob.room("inbox"), "1", BODY).await;
    bob.event().await;
    eventually("the line", || server.log().contains("messages are stored")).await;
    let log = server.log();
    let id = |text: &str| {
        let line = log
            .lines()
            .find(|line| line.contains(text))
            .unwrap_or_else(|| panic!("{log}"));
        let (_, id) = line.split_once("] id=").unwrap_or_else(|| panic!("{line}"));
        id.split_once(' ').unwrap().0.to_owned()
    };
    assert_eq!(
        id("messages are queued for storage"),
        id("messages are stored")
    );
    assert!(!log.contains(TOKEN) && !log.contains(BODY));
    server.kill();
}

/// The lines of the access log, without the logger's prefix.
fn access_lines(server: &ServerProcess) -> Vec<(String, String)> {
    let lines = server.log_objects().into_iter();
    let lines = lines.filter(|line| line["target"] == "messagebox::access");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    lines
        .map(|line| (text(&line["id"]), text(&line["message"])))
        .collect()
}

#[actix_web::test]
async fn a_refusal_has_a_log_line_with_the_id_in_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let variables = [("LOG_FORMAT", "json")];
    let server = ServerProcess::with(address, folder.path(), &variables, None);
    let alice = Brc104::connect(&format!("http://{address}")).await;
    let listed = alice
        .post("/listMessages", r#"{"messageBox":"inbox"}"#)
        .await;
    assert_eq!(listed.status, 200);
    let request = client().post(format!("http://{address}/listMessages?secret"));
    let bare = request.send().await.unwrap();
    let id = bare.headers().get("x-request-id").unwrap();
    let id = id.to_str().unwrap().to_owned();
    let refused = alice.post("/sendMessage", "{}").await;
    assert_eq!(refused.code(), "ERR_MESSAGE_REQUIRED");
    let mut socket = AuthSocketClient::authenticated(address).await;
    socket.emit("joinRoom", &json!("not-mine")).await;
    assert_eq!(socket.event().await.0, "joinFailed");
    eventually("the lines", || access_lines(&server).len() == 3).await;
    let shortened = |key: IdentityKey| format!("identity={}", key.shortened());
    let expected = [
        [
            "POST /listMessages 401 UNAUTHORIZED address=127.0.0.1 ms=",
            "reason=\"Mutual-authentication failed!",
        ],
        [
            "POST /sendMessage 400 ERR_MESSAGE_REQUIRED address=127.0.0.1 ",
            &shortened(alice.identity.identity_key()),
        ],
        ["joinRoom ", &shortened(socket.key())],
    ];
    for ((_, line), parts) in access_lines(&server).iter().zip(expected) {
        assert!(
            line.starts_with(parts[0]) && line.contains(parts[1]),
            "{line}"
        );
    }
    assert_eq!(access_lines(&server)[0].0, id);
}

#[actix_web::test]
async fn every_request_has_a_line_where_the_operator_wants_it_and_none_where_not() {
    for (mode, lines) in [("all", 3), ("off", 0)] {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let variables = [("LOG_FORMAT", "json"), ("ACCESS_LOG", mode)];
        let server = ServerProcess::with(address, folder.path(), &variables, None);
        // A handshake, an accepted request and a refused one.
        let alice = Brc104::connect(&format!("http://{address}")).await;
        for (body, status) in [(r#"{"messageBox":"inbox"}"#, 200), ("{}", 400)] {
            assert_eq!(alice.post("/listMessages", body).await.status, status);
        }
        let mine = |line: &&(String, String)| line.1.starts_with("POST ");
        let all = || access_lines(&server).iter().filter(mine).count();
        eventually("the lines", || all() == lines).await;
    }
}

#[actix_web::test]
async fn migrations_that_are_applied_are_named_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let scripts = std::fs::read_dir(root.join("migrations/sqlite")).unwrap();
    let names = scripts.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    for expected in [names, Vec::new()] {
        let server = ServerProcess::start(free_address(), folder.path());
        let log = server.log();
        let named = log
            .lines()
            .filter_map(|line| line.split_once("migration applied: "));
        let named: Vec<&str> = named.map(|(_, name)| name).collect();
        assert_eq!(named, expected, "{log}");
        server.kill();
    }
}

/// Strangers can neither fill the log nor raise its level.
#[actix_web::test]
async fn what_is_no_http_is_counted_and_named_at_debug_now_and_then() {
    const CONNECTIONS: usize = 500;
    let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
    let variables = [
        ("RUST_LOG", "info,messagebox=debug,actix_http=debug"),
        ("LOG_FORMAT", "json"),
    ];
    let server = ServerProcess::with(address, folder.path(), &variables, None);
    // The start of a TLS hello, an invalid head, and half a head whose client disconnects.
    let hello = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
    let began = std::time::Instant::now();
    for _ in 0..CONNECTIONS {
        refused(address, &hello).await;
    }
    refused(address, b"GET /\0 HTTP/9.9\r\n\r\n").await;
    let mut metrics = String::new();
    eventually_async("the counts", async || {
        metrics = polling::get(&format!("http://{address}/metrics")).await.1;
        let tls = format!("messagebox_connection_errors_total{{kind=\"tls\"}} {CONNECTIONS}");
        let bad = "messagebox_connection_errors_total{kind=\"bad_request\"} 1";
        metrics.contains(&tls) && metrics.contains(bad)
    })
    .await;
    let lines = server.log_objects();
    let errors = lines.iter().filter(|line| line["level"] == "ERROR");
    assert_eq!(errors.collect::<Vec<_>>(), Vec::<&serde_json::Value>::new());
    let named = lines.iter().filter(|line| {
        let message = line["message"].as_str().unwrap();
        message.starts_with("connection from 127.") && message.contains("(tls)")
    });
    let (named, seconds) = (named.count(), began.elapsed().as_secs() + 1);
    let most = usize::try_from(seconds * 5).unwrap();
    assert!((1..=most).contains(&named), "{named} lines in {seconds} s");
}

/// Sends this and waits until the server has closed the connection.
async fn refused(address: std::net::SocketAddr, bytes: &[u8]) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    // The connection may be reset.
    drop(stream.read_to_end(&mut Vec::new()).await);
}
