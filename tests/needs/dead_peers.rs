//! Members that are slow or vanish without a close: each is cut off, and its room does not wait for it.

use std::sync::Arc;
use std::time::Duration;

use messagebox::auth::Identity;
use messagebox::config::Settings;
use messagebox::ids::RoomId;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::need::PACKET_FILTER;
use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::Brc104;
use crate::support::polling::Polling;
use crate::support::raw_member::{polling_member, vanish, websocket_member, write_frame};
use crate::support::server::{ServerProcess, TestServer, free_address};
use crate::support::within;
use crate::test::{Test, test};

/// Heartbeats short enough for a test.
fn quick(settings: &mut Settings) {
    settings.socket.ping_interval = Duration::from_secs(2);
    settings.socket.ping_timeout = Duration::from_secs(2);
}

/// No heartbeat, and an outbound limit that a test can reach.
fn small(settings: &mut Settings) {
    settings.socket.max_outbound_bytes = 900_000;
}

/// A room with a sender and a reader. A third member causes trouble.
struct Room {
    server: TestServer,
    identity: Arc<Identity>,
    id: RoomId,
    sender: AuthSocketClient,
    reader: AuthSocketClient,
    sent: usize,
}

/// The data of the next event, without those that only start a new session.
async fn next_data(client: &mut AuthSocketClient) -> Value {
    loop {
        let (name, data) = client.event().await;
        if name != "keepAlive" {
            return data;
        }
    }
}

impl Room {
    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let server = TestServer::with(change);
        let identity = Arc::new(Identity::random());
        Self {
            id: RoomId::of(&identity.identity_key(), "inbox"),
            sender: AuthSocketClient::authenticated(server.address).await,
            reader: AuthSocketClient::authenticated_as(server.address, Arc::clone(&identity)).await,
            server,
            identity,
            sent: 0,
        }
    }

    /// Passes a message from the sender to the reader, whatever other members do.
    async fn pass(&mut self, body: &str) {
        self.sent += 1;
        let message_id = self.sent.to_string();
        self.sender.send_message(&self.id, &message_id, body).await;
        assert_eq!(next_data(&mut self.sender).await["status"], "success");
        assert_eq!(next_data(&mut self.reader).await["messageId"], message_id);
    }

    /// Passes messages until the third member is cut off.
    async fn pass_until_alone(&mut self, body: &str) {
        let mut others = 0;
        // If the others had to wait for its end, they would receive nothing.
        while self.server.sockets.len() > 2 {
            self.pass(body).await;
            others += 1;
            assert!(others < 100_000);
        }
        assert!(others > 1, "{others}");
        self.pass(body).await;
        let members = async || self.server.service.rooms.status().await.unwrap().members;
        crate::support::eventually_async("its leave", async || members().await == 2).await;
    }
}

async fn a_websocket_that_vanishes_is_timed_out() {
    let mut room = Room::with(quick).await;
    let stream = websocket_member(room.server.address, Arc::clone(&room.identity)).await;
    room.pass("before").await;
    vanish(&stream);
    room.pass_until_alone("after").await;
    drop(stream);
}

async fn a_poll_that_vanishes_is_timed_out() {
    let mut room = Room::with(quick).await;
    let session = polling_member(room.server.address, Arc::clone(&room.identity)).await;
    let poll = session.get_raw(room.server.address).await;
    vanish(&poll);
    room.pass_until_alone("hello").await;
    drop(poll);
}

async fn a_client_that_vanishes_between_two_polls_is_timed_out() {
    let mut room = Room::with(quick).await;
    let session = polling_member(room.server.address, Arc::clone(&room.identity)).await;
    room.pass_until_alone("hello").await;
    drop(session);
}

async fn a_websocket_that_reads_nothing_but_lives_is_cut_off_at_its_bound() {
    let mut room = Room::with(small).await;
    let mut stream = websocket_member(room.server.address, Arc::clone(&room.identity)).await;
    // It is alive and answers the ping.
    write_frame(&mut stream, "3").await;
    room.pass_until_alone(&"x".repeat(100_000)).await;
}

/// Reads a byte now and then until the task is aborted.
async fn sip(mut stream: TcpStream) {
    let mut byte = [0];
    while let Ok(1) = stream.read(&mut byte).await {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    std::future::pending::<()>().await;
}

async fn a_websocket_that_reads_byte_by_byte_is_cut_off_at_its_bound() {
    let mut room = Room::with(small).await;
    let stream = websocket_member(room.server.address, Arc::clone(&room.identity)).await;
    let body = "x".repeat(100_000);
    tokio::select! {
        () = room.pass_until_alone(&body) => {}
        () = sip(stream) => {}
    }
}

async fn a_poll_that_is_read_byte_by_byte_is_cut_off_at_its_bound() {
    let mut room = Room::with(small).await;
    let session = polling_member(room.server.address, Arc::clone(&room.identity)).await;
    let poll = session.get_raw(room.server.address).await;
    let body = "x".repeat(100_000);
    tokio::select! {
        () = room.pass_until_alone(&body) => {}
        () = sip(poll) => {}
    }
}

/// Posts pongs and does not poll.
async fn post_pongs(session: &Polling) {
    while session.post("3").await.0 == 200 {}
    std::future::pending::<()>().await;
}

async fn a_client_that_only_posts_is_cut_off_at_its_bound() {
    let mut room = Room::with(small).await;
    let session = polling_member(room.server.address, Arc::clone(&room.identity)).await;
    let body = "x".repeat(100_000);
    tokio::select! {
        () = room.pass_until_alone(&body) => {}
        () = post_pongs(&session) => {}
    }
}

async fn a_client_that_only_posts_is_timed_out_though_it_posts_pongs() {
    let mut room = Room::with(quick).await;
    let session = polling_member(room.server.address, Arc::clone(&room.identity)).await;
    tokio::select! {
        () = room.pass_until_alone("hello") => {}
        () = post_pongs(&session) => {}
    }
}

/// The peak memory of the process in bytes.
fn peak_memory(server: &ServerProcess) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024
}

async fn members_that_do_not_read_take_bounded_memory_of_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let server = ServerProcess::start(address, folder.path());
    let identity = Arc::new(Identity::random());
    let mut websockets = Vec::new();
    for _ in 0..10 {
        websockets.push(websocket_member(address, Arc::clone(&identity)).await);
    }
    let mut sessions = Vec::new();
    for _ in 0..10 {
        sessions.push(polling_member(address, Arc::clone(&identity)).await);
    }
    let before = peak_memory(&server);
    let sender = Brc104::connect(&format!("http://{address}")).await;
    let body = "x".repeat(500_000);
    for n in 0..40 {
        let message = json!({"messageBox": "inbox", "messageId": n.to_string(), "body": body,
            "recipient": identity.identity_key().to_hex()});
        let sent = sender
            .post("/sendMessage", json!({"message": message}).to_string())
            .await;
        assert_eq!(sent.status, 200);
    }
    // Each event takes about 1.8 MB. For twenty members, 1.4 GB would wait.
    within("the last session's end", async {
        while sessions[9].post("3").await.0 == 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let grown = peak_memory(&server) - before;
    assert!(grown < 250 << 20, "{grown}");
    drop((websockets, sessions));
}

pub fn tests() -> Vec<Test> {
    vec![
        test!(a_websocket_that_vanishes_is_timed_out, [PACKET_FILTER]),
        test!(a_poll_that_vanishes_is_timed_out, [PACKET_FILTER]),
        test!(a_client_that_vanishes_between_two_polls_is_timed_out, []),
        test!(
            a_websocket_that_reads_nothing_but_lives_is_cut_off_at_its_bound,
            []
        ),
        test!(
            a_websocket_that_reads_byte_by_byte_is_cut_off_at_its_bound,
            []
        ),
        test!(a_poll_that_is_read_byte_by_byte_is_cut_off_at_its_bound, []),
        test!(a_client_that_only_posts_is_cut_off_at_its_bound, []),
        test!(
            a_client_that_only_posts_is_timed_out_though_it_posts_pongs,
            []
        ),
        test!(
            members_that_do_not_read_take_bounded_memory_of_the_process,
            []
        ),
    ]
}
