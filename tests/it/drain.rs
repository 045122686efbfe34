//! SIGTERM: no acknowledged message is lost, requests in flight finish, and clients move to other servers.

use std::sync::Arc;
use std::time::Duration;

use messagebox::auth::Identity;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::Brc104;
use crate::support::database_file::Lock;
use crate::support::server::{ServerProcess, free_address};
use crate::support::websocket::Got;
use crate::support::{eventually_async, polling, senders, within};

/// The value of `key` in the line that begins with `word`.
fn pair(log: &str, word: &str, key: &str) -> String {
    let mut lines = log
        .lines()
        .filter(|line| line.contains(&format!("] {word} ")));
    let line = lines.next().unwrap_or_else(|| panic!("no {word}: {log}"));
    assert!(lines.next().is_none(), "{word} is logged twice: {log}");
    let mut pairs = line.split(' ').filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(known, _)| *known == key);
    found
        .unwrap_or_else(|| panic!("{key}: {line}"))
        .1
        .to_owned()
}

#[actix_web::test]
async fn what_was_acknowledged_before_a_shutdown_under_load_is_there_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let bob = Arc::new(Identity::random());
    let mut all = Vec::new();
    for round in 0..4 {
        let mut server = ServerProcess::start(address, folder.path());
        let senders = senders::start(4, round, address, bob.identity_key(), &None);
        tokio::time::sleep(Duration::from_millis(rand::random_range(200..500))).await;
        server.signal(if round % 2 == 0 { "TERM" } else { "INT" });
        assert_eq!(server.ended().await, Some(0), "{}", server.log());
        let mut count = 0;
        for sender in senders {
            let sent = sender.await.unwrap();
            count += senders::acknowledged(&sent).count();
            all.push(sent);
        }
        let log = server.log();
        assert_eq!(
            pair(&log, "started", "address"),
            format!("http://{address}")
        );
        assert_eq!(pair(&log, "stopped", "drained"), "true", "{log}");
        let stored: usize = pair(&log, "stopped", "messages_stored").parse().unwrap();
        // Each of the two live senders may have stored one message whose ack it did not receive.
        assert!((count..=count + 2).contains(&stored), "{stored} of {count}");
    }
    let server = ServerProcess::start(address, folder.path());
    senders::assert_kept(address, bob, &all).await;
    drop(server);
}

async fn get(address: std::net::SocketAddr, path: &str) -> (u16, Value) {
    let (status, body) = polling::get(&format!("http://{address}{path}")).await;
    (status, serde_json::from_str(&body).unwrap())
}

#[actix_web::test]
async fn readyz_fails_before_the_drain_and_a_second_signal_stops_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let delay = [("DRAIN_DELAY", "10m")];
    let mut server = ServerProcess::with(address, folder.path(), &delay, None);
    let mut alice = AuthSocketClient::authenticated(address).await;
    assert_eq!(get(address, "/readyz").await.0, 200);
    server.signal("TERM");
    eventually_async("/readyz to report draining", async || {
        get(address, "/readyz").await.0 == 503
    })
    .await;
    assert_eq!(
        get(address, "/readyz").await.1["notReady"],
        json!(["draining"])
    );
    assert_eq!(get(address, "/healthz").await.0, 200);
    // During the delay, the server still serves everyone.
    let room = alice.room("inbox");
    alice.send_message(&room, "1", "x").await;
    assert_eq!(alice.event().await.1["status"], "success");
    Brc104::connect(&format!("http://{address}")).await;
    // Supervisors may send the same signal twice, so it counts once. A different signal counts.
    server.signal("TERM");
    eventually_async("the log line of the second signal", async || {
        server.log().contains("SIGTERM again")
    })
    .await;
    server.signal("INT");
    assert_eq!(server.ended().await, Some(3));
    assert!(
        server.log().contains("SIGINT while shutting down"),
        "{}",
        server.log()
    );
}

#[actix_web::test]
async fn a_request_in_work_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let one = [("WORKERS", "1")];
    let mut server = ServerProcess::with(address, folder.path(), &one, None);
    let alice = Brc104::connect(&format!("http://{address}")).await;
    let body = json!({"messageBox": "inbox"}).to_string();
    let request = alice.request("POST", "/listMessages", body.clone());
    let header = |(name, value): &(String, String)| format!("{name}: {value}\r\n");
    let headers: String = request.headers.iter().map(header).collect();
    let head = format!(
        "POST /listMessages HTTP/1.1\r\n{headers}host: {address}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let (first, rest) = body.split_at(5);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(first.as_bytes()).await.unwrap();
    // One worker accepts connections in order. When it answers these, it has started on the first one.
    for _ in 0..3 {
        assert_eq!(get(address, "/healthz").await.0, 200);
    }
    server.signal("TERM");
    eventually_async("the listener to close", async || {
        TcpStream::connect(address).await.is_err()
    })
    .await;
    stream.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within("the answer", stream.read_to_end(&mut answer))
        .await
        .unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(
        answer.contains(r#"{"status":"success","messages":[]"#),
        "{answer}"
    );
    assert_eq!(server.ended().await, Some(0));
}

/// A message in the write queue is committed and acknowledged. Then the server closes the transport, without a
/// Socket.IO disconnect, after which a client would not reconnect.
#[actix_web::test]
async fn a_message_that_waits_for_the_database_is_answered_before_its_socket_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let mut server = ServerProcess::start(address, folder.path());
    let mut alice = AuthSocketClient::authenticated(address).await;
    let mut idle = AuthSocketClient::authenticated(address).await;
    let room = idle.room("inbox");
    let lock = Lock::on(folder.path());
    alice.send_message(&room, "1", "x").await;
    // It follows on the same socket: once it is answered, the server has handed in the message.
    let own = alice.room("another");
    alice.emit("joinRoom", &json!(own.as_str())).await;
    assert_eq!(alice.event().await.0, "joinedRoom");
    server.signal("TERM");
    // A socket with nothing in flight is closed at once.
    assert!(matches!(idle.websocket.next().await, Got::Closed(_)));
    lock.release();
    let (event, data) = alice.event().await;
    assert_eq!(event, format!("sendMessageAck-{room}"));
    assert_eq!(data, json!({"status": "success", "messageId": "1"}));
    assert!(matches!(alice.websocket.next().await, Got::Closed(_)));
    assert_eq!(server.ended().await, Some(0));
    assert_eq!(pair(&server.log(), "stopped", "sockets_closed"), "2");
}

/// Other servers use these signals to reopen logs or to stop gracefully.
#[actix_web::test]
async fn no_signal_ends_it_without_a_drain() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let mut server = ServerProcess::start(address, folder.path());
    for name in ["USR1", "USR2", "HUP"] {
        server.signal(name);
        let noted = format!("SIG{name}: ");
        eventually_async("the log line of the signal", async || {
            server.log().contains(&noted)
        })
        .await;
    }
    assert_eq!(get(address, "/readyz").await.0, 200);
    server.signal("QUIT");
    assert_eq!(server.ended().await, Some(0), "{}", server.log());
    assert_eq!(pair(&server.log(), "stopped", "reason"), "SIGQUIT");
    assert_eq!(pair(&server.log(), "stopped", "drained"), "true");
}

#[actix_web::test]
async fn sighup_applies_changeable_settings_and_logs_the_difference() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let file = folder.path().join("default.toml");
    std::fs::write(&file, "[prices]\nrequest = 3\n[log]\nlevel = \"warn\"\n").unwrap();
    let server = ServerProcess::start(address, folder.path());
    assert_eq!(get(address, "/info").await.1["prices"]["request"], 3);
    let changed = "[prices]\nrequest = 5\n[log]\nlevel = \"info\"\n[socket]\nmax_sockets = 7\n";
    std::fs::write(&file, changed).unwrap();
    server.signal("HUP");
    eventually_async("the new price", async || {
        get(address, "/info").await.1["prices"]["request"] == 5
    })
    .await;
    let expected = [
        "prices.request is 5, was 3",
        // Only the new level shows these lines.
        "log.level is \"info\", was \"warn\"",
        "socket.max_sockets = 7 takes effect at the next start",
    ];
    eventually_async("the difference in the log", async || {
        expected.iter().all(|line| server.log().contains(line))
    })
    .await;
    let alice = Brc104::connect(&format!("http://{address}")).await;
    let answer = alice.post("/listMessages", r#"{"messageBox":"inbox"}"#);
    assert_eq!(answer.await.status, 402);
    // An invalid file changes nothing.
    std::fs::write(&file, "[prices]\nrequest = -1\n").unwrap();
    server.signal("HUP");
    eventually_async("the error in the log", async || {
        server.log().contains("stays as it was")
    })
    .await;
    assert_eq!(get(address, "/info").await.1["prices"]["request"], 5);
}

#[actix_web::test]
async fn sighup_changes_quotas_and_the_rates_of_open_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let file = folder.path().join("default.toml");
    let configure = |inbox: usize, bytes: usize| {
        let text = format!(
            "[messages]\nmax_inbox_messages = {inbox}\nmax_inbox_bytes = 0\nmax_sender_messages = 0\nmax_sender_bytes = 0\n\
             [limits]\nmax_delay = \"1s\"\nburst = \"1s\"\nbytes_per_socket = {bytes}\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    configure(0, 1_000_000);
    let server = ServerProcess::start(address, folder.path());
    let mut alice = AuthSocketClient::authenticated(address).await;
    let room = alice.room("inbox");
    for id in 0..30 {
        alice.send_message(&room, &id.to_string(), "x").await;
    }
    let mut acked = 0;
    while acked < 30 {
        let (event, data) = alice.event().await;
        if event.starts_with("sendMessageAck") {
            assert_eq!(data["status"], "success");
            acked += 1;
        }
    }
    let large = json!("x".repeat(20_000));
    alice.emit("large", &large).await;
    alice.emit("joinRoom", &json!(room.as_str())).await;
    while alice.event().await.0 != "joinedRoom" {}
    configure(30, 1_000);
    server.signal("HUP");
    // Messages stored without a quota are counted first.
    for line in [
        "bytes_per_socket is 1000, was 1000000",
        "counted stored messages",
    ] {
        eventually_async(line, async || server.log().contains(line)).await;
    }
    let http = Brc104::connect_as(&format!("http://{address}"), Arc::clone(&alice.identity)).await;
    let message = json!({"message": {
        "recipient": alice.key().to_hex(), "messageBox": "inbox", "messageId": "one more", "body": "x",
    }});
    let full = http.post("/sendMessage", message.to_string()).await;
    assert_eq!(
        (full.status, full.code()),
        (429, "ERR_INBOX_QUOTA_EXCEEDED")
    );
    assert_eq!(
        get(address, "/info").await.1["quotas"]["maxInboxMessages"],
        30
    );
    // The existing socket has the new rate: a small message ends it now.
    alice.emit("large", &large).await;
    within("the end of the socket", async {
        while !matches!(alice.websocket.next().await, Got::Closed(_)) {}
    })
    .await;
}

/// A copy of the database file alone, after an orderly stop and after a crash.
#[actix_web::test]
async fn a_copy_of_the_file_is_whole_after_a_stop_and_noticed_after_none() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let mut server = ServerProcess::start(address, folder.path());
    let mut alice = AuthSocketClient::authenticated(address).await;
    let room = alice.room("inbox");
    alice.send_message(&room, "1", "x").await;
    assert_eq!(alice.event().await.1["status"], "success");
    let file = folder.path().join("messagebox.db");
    let unsaid = tempfile::tempdir().unwrap();
    std::fs::copy(&file, unsaid.path().join("messagebox.db")).unwrap();
    server.signal("TERM");
    assert_eq!(server.ended().await, Some(0));
    assert!(!server.log().contains("-wal"), "{}", server.log());
    let log = folder.path().join("messagebox.db-wal");
    assert_eq!(std::fs::metadata(log).map_or(0, |log| log.len()), 0);
    let whole = tempfile::tempdir().unwrap();
    std::fs::copy(&file, whole.path().join("messagebox.db")).unwrap();

    let server = ServerProcess::start(address, whole.path());
    let (status, ready) = get(address, "/readyz").await;
    let is_degraded = ready.to_string().contains("database_log");
    assert!(status == 200 && !is_degraded, "{ready}");
    drop(server);

    for _ in 0..2 {
        let server = ServerProcess::start(address, unsaid.path());
        let (status, ready) = get(address, "/readyz").await;
        assert_eq!(status, 200, "{ready}");
        assert!(ready.to_string().contains("database_log"), "{ready}");
        assert_eq!(
            server.log().matches("is missing").count(),
            1,
            "{}",
            server.log()
        );
    }
    let server = ServerProcess::start(address, unsaid.path());
    let accepted = std::process::Command::new(env!("CARGO_BIN_EXE_messagebox-server"))
        .arg("accept-database")
        .env("DATA_DIR", unsaid.path())
        .output()
        .unwrap();
    assert!(accepted.status.success(), "{accepted:?}");
    eventually_async("readiness", async || {
        let (_, ready) = get(address, "/readyz").await;
        !ready.to_string().contains(r#""degraded":["database_log"]"#)
    })
    .await;
    drop(server);
}
