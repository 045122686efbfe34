//! A wrong clock that is corrected while the server runs.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};

use super::need::COMPILER;
use super::support::authsocket::AuthSocketClient;
use super::support::brc104::Brc104;
use super::support::polling;
use super::support::server::{ServerProcess, free_address};
use super::test::{Test, test};

const DAY: i64 = 86_400;

/// The clock of a server that this test starts.
struct Clock {
    library: PathBuf,
    offset: PathBuf,
}

impl Clock {
    fn in_folder(folder: &Path) -> Self {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/stepped_clock.c");
        let clock = Self {
            library: folder.join("stepped_clock.so"),
            offset: folder.join("offset"),
        };
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", source, "-o"]);
        let status = compiler.arg(&clock.library).status().unwrap();
        assert!(status.success());
        std::fs::write(&clock.offset, 0_i64.to_ne_bytes()).unwrap();
        clock
    }

    /// Sets it to this offset from the machine's clock, in seconds. The server has mapped the file, so the test writes
    /// in place.
    fn set(&self, seconds: i64) {
        let file = OpenOptions::new().write(true).open(&self.offset).unwrap();
        file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }
}

struct Stage {
    http: Brc104,
    live: AuthSocketClient,
    bob: AuthSocketClient,
    base: String,
    sent: Vec<String>,
}

impl Stage {
    /// Messages pass in both directions after this step of the clock, and a new client is served.
    async fn serves(&mut self, when: &str, step: i64) {
        let room = self.bob.room("inbox");
        let id = format!("{when}, live");
        self.live.send_message(&room, &id, "x").await;
        assert_eq!(self.live.event().await.1["status"], "success", "{when}");
        assert_eq!(self.bob.event().await.1["messageId"], id);
        self.sent.push(id);
        let id = format!("{when}, HTTP");
        let recipient = self.bob.key().to_hex();
        let message =
            json!({"recipient": recipient, "messageBox": "inbox", "messageId": id, "body": "x"});
        let body = json!({ "message": message }).to_string();
        let mut request = self.http.request("POST", "/sendMessage", body.clone());
        let mut answer = self.http.send(&request).await;
        if answer.is_unknown_session() {
            // The session has expired by the server's clock, so clients shake hands again.
            assert!(step > 3_600, "{when}");
            let identity = Arc::clone(&self.http.identity);
            self.http = Brc104::connect_as(&self.base, identity).await;
            request = self.http.request("POST", "/sendMessage", body);
            answer = self.http.send(&request).await;
        }
        assert_eq!(answer.status, 200, "{when}: {}", answer.json);
        assert_eq!(self.bob.event().await.1["messageId"], id);
        self.sent.push(id);
        // A served request is not served again after the clock steps back.
        assert!(self.http.send(&request).await.is_replay(), "{when}");
        let (status, body) = polling::get(&format!("{}/readyz", self.base)).await;
        assert_eq!(status, 200, "{when}: {body}");
        let bob = Brc104::connect_as(&self.base, Arc::clone(&self.bob.identity)).await;
        let listed = bob.post("/listMessages", r#"{"messageBox":"inbox"}"#).await;
        let items = listed.json["messages"].as_array().unwrap().iter();
        let id = |item: &Value| item["messageId"].as_str().unwrap().to_owned();
        assert_eq!(items.map(id).collect::<Vec<_>>(), self.sent, "{when}");
    }
}

async fn a_clock_may_be_wrong_and_may_be_set() {
    let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
    let clock = Clock::in_folder(folder.path());
    let variables = [
        ("LD_PRELOAD", clock.library.to_str().unwrap()),
        ("STEPPED_CLOCK", clock.offset.to_str().unwrap()),
        ("PING_INTERVAL", "1s"),
        ("PING_TIMEOUT", "5s"),
        ("LOG_FORMAT", "json"),
    ];
    let server = ServerProcess::with(address, folder.path(), &variables, None);
    let base = format!("http://{address}");
    let mut stage = Stage {
        http: Brc104::connect(&base).await,
        live: AuthSocketClient::authenticated(address).await,
        bob: AuthSocketClient::authenticated(address).await,
        base,
        sent: Vec::new(),
    };
    stage.serves("on time", 0).await;
    let mut now = 0;
    for (when, seconds) in [
        ("a minute ahead", 60),
        ("an hour behind", -3_600),
        ("on time by a step of nearly an hour", -60),
        ("a day behind", -DAY),
        ("a day ahead", DAY),
        ("on time again", 0),
        ("years behind", -3_650 * DAY),
        ("on time at last", 0),
    ] {
        clock.set(seconds);
        stage.serves(when, seconds - now).await;
        now = seconds;
    }
    let lines = server.log_objects();
    let loud = |line: &&Value| matches!(line["level"].as_str(), Some("ERROR" | "error"));
    assert_eq!(lines.iter().find(loud), None);
}

pub fn tests() -> Vec<Test> {
    vec![test!(a_clock_may_be_wrong_and_may_be_set, [COMPILER])]
}
