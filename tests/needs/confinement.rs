//! The server as containers run it: as the first process, on a read-only root, with few file descriptors.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use messagebox::auth::Identity;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::need::{PID_NAMESPACE, ROOT};
use super::support::authsocket::AuthSocketClient;
use super::support::brc104::Brc104;
use super::support::server::{ServerProcess, free_address};
use super::support::{eventually_async, polling, signal, within};
use super::test::{Test, test};

const SERVER: &str = env!("CARGO_BIN_EXE_messagebox-server");

/// A script with these commands. The last one becomes the server.
fn script(folder: &Path, commands: &str) -> PathBuf {
    let path = folder.join("server.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{commands}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

async fn send(client: &Brc104, id: &str) -> u16 {
    let recipient = client.identity.identity_key().to_hex();
    let message =
        json!({"recipient": recipient, "messageBox": "inbox", "messageId": id, "body": id});
    let body = json!({ "message": message }).to_string();
    client.post("/sendMessage", body).await.status
}

async fn listed(client: &Brc104) -> Vec<String> {
    let answer = client
        .post("/listMessages", r#"{"messageBox":"inbox"}"#)
        .await;
    let items = answer.json["messages"].as_array().unwrap().iter();
    let id = |item: &Value| item["messageId"].as_str().unwrap().to_owned();
    items.map(id).collect()
}

/// The kernel gives a first process no signal that it does not handle, and no other process reaps its children.
async fn the_first_process_ends_in_order() {
    for (name, reason) in [("TERM", "SIGTERM"), ("INT", "SIGINT")] {
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        let own = script(
            folder.path(),
            &format!("exec unshare --pid --fork --mount-proc --kill-child {SERVER}"),
        );
        let mut server = ServerProcess::of_version(&own, address, folder.path(), &[]);
        let base = format!("http://{address}");
        let alice = Brc104::connect(&base).await;
        assert_eq!(send(&alice, "1").await, 200);
        let socket = AuthSocketClient::authenticated(address).await;
        let id = server.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        let first: u32 = children.trim().parse().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{first}/status")).unwrap();
        let ids = status.lines().find(|line| line.starts_with("NSpid:"));
        assert!(ids.unwrap().ends_with("\t1"), "{ids:?}");
        signal(first, name);
        assert_eq!(server.ended().await, Some(0), "{}", server.log());
        let log = server.log();
        let stopped = log.lines().find(|line| line.contains(" stopped "));
        let stopped = stopped.unwrap_or_else(|| panic!("{log}"));
        for expected in [format!("reason={reason}"), "drained=true".to_owned()] {
            assert!(stopped.contains(&expected), "{stopped}");
        }
        drop(socket);
        let again = ServerProcess::start(address, folder.path());
        let identity = Arc::clone(&alice.identity);
        let alice = Brc104::connect_as(&base, identity).await;
        assert_eq!(listed(&alice).await, ["1"]);
        drop(again);
    }
}

/// Only `DATA_DIR` is writable. There is no `/tmp` either.
async fn a_root_that_is_read_only_is_enough() {
    let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let shown = data.display();
    // The mounts below the root are read-only too.
    let mount = format!(
        "mount --make-rprivate / && mount --bind {shown} {shown} \
         && awk '$2 == \"/\" || $2 == \"/tmp\" || $2 == \"/var\" {{print $2}}' /proc/self/mounts | sort -u \
         | while read it; do mount -o remount,bind,ro $it || exit 1; done \
         && ! touch {shown}/../probe 2> /dev/null && ! touch /tmp/probe 2> /dev/null"
    );
    let base = format!("http://{address}");
    let identity = Arc::new(Identity::random());
    for round in 0..2 {
        let mut server = ServerProcess::with(address, &data, &[], Some(&mount));
        let (status, body) = polling::get(&format!("{base}/readyz")).await;
        assert_eq!(status, 200, "{body}");
        let alice = Brc104::connect_as(&base, Arc::clone(&identity)).await;
        assert_eq!(send(&alice, &round.to_string()).await, 200);
        let expected: Vec<String> = (0..=round).map(|n| n.to_string()).collect();
        assert_eq!(listed(&alice).await, expected);
        server.signal("TERM");
        assert_eq!(server.ended().await, Some(0), "{}", server.log());
        assert!(!server.log().contains("ERROR"), "{}", server.log());
    }
}

/// Connections without a file descriptor wait, and open ones are still served.
async fn a_server_without_file_descriptors_serves_on() {
    const FILES: usize = 200;
    let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
    let own = script(folder.path(), &format!("ulimit -n {FILES}\nexec {SERVER}"));
    let server = ServerProcess::of_version(&own, address, folder.path(), &[]);
    let mut socket = AuthSocketClient::authenticated(address).await;
    let room = socket.room("inbox");
    let open = || {
        let files = std::fs::read_dir(format!("/proc/{}/fd", server.id()));
        files.unwrap().count()
    };
    for round in 0..2 {
        let mut others = Vec::new();
        for _ in 0..2 * FILES {
            // The kernel accepts those that the server cannot.
            others.push(
                within("a connection", TcpStream::connect(address))
                    .await
                    .unwrap(),
            );
        }
        eventually_async("no free file descriptor", async || open() >= FILES - 1).await;
        for n in 0..20 {
            let id = format!("{round} {n}");
            socket.send_message(&room, &id, "hello").await;
            assert_eq!(socket.event().await.0, format!("sendMessageAck-{room}"));
            assert_eq!(socket.event().await.1["messageId"], id);
        }
        // A waiting connection is served when there is room.
        let mut last = others.pop().unwrap();
        drop(others);
        let request = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        last.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = last.read_to_string(&mut answer);
        within("an answer", read).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        eventually_async("free file descriptors", async || open() < FILES / 2).await;
        let alice = Brc104::connect(&format!("http://{address}")).await;
        assert_eq!(send(&alice, "1").await, 200);
    }
    // The log does not repeat the line for each of them.
    let lines = server.log().lines().count();
    assert!(lines < 100, "{lines}: {}", server.log());
}

pub fn tests() -> Vec<Test> {
    vec![
        test!(the_first_process_ends_in_order, [PID_NAMESPACE]),
        test!(a_root_that_is_read_only_is_enough, [ROOT]),
        test!(a_server_without_file_descriptors_serves_on, []),
    ]
}
