//! Faults of the storage. Senders get errors, nothing unsaved is acknowledged, sockets stay, and the server recovers by
//! itself.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use messagebox::auth::Identity;
use serde_json::{Value, json};

use crate::need::{FILE_SYSTEM, ROOT};
use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::{Answer, Brc104};
use crate::support::database_file::Lock;
use crate::support::senders::Attempt;
use crate::support::server::{ServerProcess, free_address};
use crate::support::{eventually_async, polling, senders};
use crate::test::{Test, test};

/// More than the free pages that a full disk may still have.
const BODY: usize = 200_000;

/// A server, a sender on a socket, one over HTTP, and a member that receives their messages. All of them stay.
struct Stage {
    server: ServerProcess,
    address: SocketAddr,
    live: AuthSocketClient,
    http: Brc104,
    bob: AuthSocketClient,
    sent: usize,
    acked: Vec<String>,
}

impl Stage {
    async fn set(folder: &Path, first: Option<&str>) -> Self {
        let address = free_address();
        // The file systems of these tests are smaller than the default minimum of free space.
        let variables = [("DB_BUSY_TIMEOUT", "300ms"), ("DB_MIN_FREE_BYTES", "0")];
        let server = ServerProcess::with(address, folder, &variables, first);
        let mut stage = Self {
            server,
            address,
            live: AuthSocketClient::authenticated(address).await,
            http: Brc104::connect(&format!("http://{address}")).await,
            bob: AuthSocketClient::authenticated(address).await,
            sent: 0,
            acked: Vec::new(),
        };
        stage.serves().await;
        stage
    }

    fn next(&mut self) -> String {
        self.sent += 1;
        format!("sender {}", self.sent)
    }

    async fn send_live(&mut self, id: &str) -> Vec<(String, Value)> {
        let room = self.bob.room("inbox");
        self.live.send_message(&room, id, &"x".repeat(BODY)).await;
        let first = self.live.event().await;
        if first.0.starts_with("sendMessageAck") {
            return vec![first];
        }
        vec![first, self.live.event().await]
    }

    async fn send_http(&self, id: &str) -> Answer {
        let message = json!({
            "recipient": self.bob.key().to_hex(), "messageBox": "inbox", "messageId": id, "body": "x".repeat(BODY),
        });
        let body = json!({ "message": message }).to_string();
        self.http.post("/sendMessage", body).await
    }

    async fn readyz(&self) -> (u16, Value) {
        let (status, body) = polling::get(&format!("http://{}/readyz", self.address)).await;
        (status, serde_json::from_str(&body).unwrap())
    }

    /// Existing clients can send over both protocols.
    async fn serves(&mut self) {
        let ready = async || self.readyz().await.0 == 200;
        eventually_async("readiness", ready).await;
        let id = self.next();
        let answer = self.send_http(&id).await;
        assert_eq!(answer.status, 200, "{} {}", answer.json, self.server.log());
        assert_eq!(self.bob.event().await.1["messageId"], id);
        self.acked.push(id);
        let id = self.next();
        let events = self.send_live(&id).await;
        let expected = json!({"status": "success", "messageId": id});
        assert_eq!(
            (events.len(), &events[0].1),
            (1, &expected),
            "{}",
            self.server.log()
        );
        assert_eq!(self.bob.event().await.1["messageId"], id);
        self.acked.push(id);
    }

    /// The server refuses every message as documented, and `/readyz` names the database.
    async fn refuses(&mut self) {
        for _ in 0..3 {
            let id = self.next();
            let answer = self.send_http(&id).await;
            assert_eq!(
                (answer.status, answer.code()),
                (500, "ERR_INTERNAL"),
                "{}",
                answer.json
            );
            assert!(answer.signed);
            let id = self.next();
            let events = self.send_live(&id).await;
            let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
            let ack = format!("sendMessageAck-{}", self.bob.room("inbox"));
            assert_eq!(names, ["messageFailed", &*ack]);
            let data = &events[1].1;
            assert_eq!(
                (&data["status"], &data["messageId"]),
                (&json!("error"), &json!(id))
            );
        }
        let unready = async || self.readyz().await.0 == 503;
        eventually_async("/readyz to fail", unready).await;
        assert_eq!(self.readyz().await.1["notReady"], json!(["database"]));
        let healthz = polling::get(&format!("http://{}/healthz", self.address)).await;
        assert_eq!(healthz.0, 200);
    }

    /// After SIGKILL and a restart, every acknowledged message is there, and no other.
    async fn restarts(self, folder: &Path) {
        let Self {
            server, bob, acked, ..
        } = self;
        server.kill();
        let address = free_address();
        let server = ServerProcess::start(address, folder);
        let bob = Arc::clone(&bob.identity);
        let sent = acked.into_iter().map(|id| Attempt {
            id,
            acknowledged: true,
        });
        senders::assert_kept(address, bob, &[sent.collect()]).await;
        drop(server);
    }
}

/// The folder as the server sees it.
fn inside(server: &ServerProcess, folder: &Path) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", server.id()));
    root.join(folder.strip_prefix("/").unwrap())
}

async fn a_disk_that_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let mount = format!(
        "mount -t tmpfs -o size=16m tmpfs {}",
        folder.path().display()
    );
    let mut stage = Stage::set(folder.path(), Some(&mount)).await;
    let filler = inside(&stage.server, folder.path()).join("filler");
    for _ in 0..2 {
        let mut file = File::create(&filler).unwrap();
        let full = (0..100_000).find_map(|_| file.write_all(&[0; 4096]).err());
        assert_eq!(full.unwrap().kind(), std::io::ErrorKind::StorageFull);
        // An open file keeps its space.
        drop(file);
        stage.refuses().await;
        std::fs::remove_file(&filler).unwrap();
        stage.serves().await;
    }
    let listed = Brc104::connect_as(
        &format!("http://{}", stage.address),
        Arc::clone(&stage.bob.identity),
    )
    .await
    .post("/listMessages", r#"{"messageBox":"inbox"}"#)
    .await;
    let messages = listed.json["messages"].as_array().unwrap();
    let ids: Vec<&str> = messages
        .iter()
        .map(|m| m["messageId"].as_str().unwrap())
        .collect();
    assert_eq!(ids, stage.acked);
}

/// A file system that has met an error stays read-only until it is mounted again.
async fn a_disk_that_has_become_read_only() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().with_extension("img");
    let data = folder.path().display().to_string();
    let file = image.display().to_string();
    let mount = format!(
        "truncate -s 32M {file} && /sbin/mkfs.ext4 -q {file} && mount -o loop {file} {data}"
    );
    let mut stage = Stage::set(folder.path(), Some(&mount)).await;
    let id = stage.server.id().to_string();
    let aborted = std::process::Command::new("nsenter")
        .args([
            "--mount",
            "--target",
            &id,
            "mount",
            "-o",
            "remount,abort",
            &data,
        ])
        .status()
        .unwrap();
    assert!(aborted.success());
    stage.refuses().await;
    // The sockets are still open and get answers.
    let room = stage.live.room("inbox");
    stage.live.emit("joinRoom", &json!(room.as_str())).await;
    assert_eq!(stage.live.event().await.0, "joinedRoom");
    drop(stage);
    std::fs::remove_file(image).unwrap();
}

async fn a_database_that_another_process_locks() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::set(folder.path(), None).await;
    for _ in 0..2 {
        let lock = Lock::on(folder.path());
        stage.refuses().await;
        lock.release();
        stage.serves().await;
    }
    stage.restarts(folder.path()).await;
}

async fn a_database_that_is_moved_away_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (data, away) = (folder.path().join("data"), folder.path().join("away"));
    std::fs::create_dir(&data).unwrap();
    let mut stage = Stage::set(&data, None).await;
    std::fs::rename(&data, &away).unwrap();
    stage.refuses().await;
    // The server does not use files that others put there.
    std::fs::create_dir(&data).unwrap();
    File::create(data.join("messagebox.db")).unwrap();
    stage.refuses().await;
    assert!(
        stage
            .server
            .log()
            .contains("put it back, or restart the server")
    );
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&away, &data).unwrap();
    stage.serves().await;
    stage.restarts(&data).await;
}

async fn a_database_that_is_replaced_is_used_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::set(folder.path(), None).await;
    let id = Identity::random().identity_key().to_hex();
    let saved = folder.path().join(id);
    std::fs::rename(folder.path().join("messagebox.db-wal"), &saved).unwrap();
    stage.refuses().await;
    std::fs::rename(saved, folder.path().join("messagebox.db-wal")).unwrap();
    stage.serves().await;
    stage.restarts(folder.path()).await;
}

pub fn tests() -> Vec<Test> {
    vec![
        test!(a_disk_that_is_full, [ROOT]),
        test!(a_disk_that_has_become_read_only, [ROOT, FILE_SYSTEM]),
        test!(a_database_that_another_process_locks, []),
        test!(a_database_that_is_moved_away_and_comes_back, []),
        test!(a_database_that_is_replaced_is_used_after_a_restart, []),
    ]
}
