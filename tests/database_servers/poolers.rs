//! The pooler `pgbouncer` between the server and PostgreSQL.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use messagebox::config::Secret;
use messagebox::db::{DatabaseUrl, DbHandle, DbSettings};
use serde_json::json;

use crate::need::find;
use crate::own_server::{Make, OwnServer, give};
use crate::support::PATIENCE;
use crate::support::brc104::Brc104;
use crate::support::server::{TestServer, free_address};

/// The pooler. It ends when dropped.
struct PgBouncer {
    address: SocketAddr,
    child: Child,
    _folder: tempfile::TempDir,
}

impl PgBouncer {
    fn start(database: &OwnServer, pool_mode: &str) -> Self {
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        let (host, port) = (database.address().ip(), database.address().port());
        let file = folder.path().join("pgbouncer.ini");
        let settings = format!(
            "[databases]\nmessages = host={host} port={port} user=postgres\n\
             [pgbouncer]\nlisten_addr = {}\nlisten_port = {}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = {pool_mode}\n",
            address.ip(),
            address.port()
        );
        fs::write(&file, settings).unwrap();
        give(folder.path());
        give(&file);
        let mut command = OwnServer::command(find("pgbouncer").unwrap());
        let child = command
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut bouncer = Self {
            address,
            child,
            _folder: folder,
        };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = bouncer.child.try_wait().unwrap();
            assert!(
                ended.is_none() && start.elapsed() < PATIENCE,
                "pgbouncer does not listen"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        bouncer
    }

    fn url(&self) -> String {
        format!("postgres://postgres@{}/messages", self.address)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub async fn a_pooler_that_shares_sessions_is_refused_by_name() {
    let database = OwnServer::start(Make::Postgres, &[]);
    for pool_mode in ["transaction", "statement"] {
        let bouncer = PgBouncer::start(&database, pool_mode);
        for _ in 0..3 {
            let settings = DbSettings::new(DatabaseUrl::parse(&bouncer.url()).unwrap());
            let error = DbHandle::open(&settings, None).map(drop).unwrap_err();
            let error = error.to_string();
            assert!(
                error.contains("PgBouncer") && error.contains("pool_mode=session"),
                "{error}"
            );
            assert_eq!(database.tables(), [""; 0]);
        }
    }
}

pub async fn a_pooler_that_keeps_sessions_is_no_obstacle() {
    let database = OwnServer::start(Make::Postgres, &[]);
    let bouncer = PgBouncer::start(&database, "session");
    // One after the other: the pooler gives sessions of the first server to the second.
    for start in 0..2 {
        let server = TestServer::with(|settings| {
            settings.database.url = Some(Secret::new(bouncer.url()));
        });
        let client = Brc104::connect(&server.http("")).await;
        let recipient = client.identity.identity_key().to_hex();
        for n in 0..30 {
            let id = format!("{start} {n}");
            let message =
                json!({"recipient": recipient, "messageBox": "inbox", "messageId": id, "body": id});
            let message = json!({ "message": message }).to_string();
            assert_eq!(
                client.post("/sendMessage", message).await.status,
                200,
                "{id}"
            );
            let listed = client
                .post("/listMessages", r#"{"messageBox":"inbox"}"#)
                .await;
            assert_eq!(
                listed.json["messages"].as_array().map(Vec::len),
                Some(n + 1)
            );
        }
    }
}
