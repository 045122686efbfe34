//! The whole server: in this process, or as a process of its own that can be killed.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use messagebox::authsocket::{AuthSocket, AuthSocketService};
use messagebox::config::Settings;
use messagebox::db::DbHandle;
use messagebox::engineio::CloseReason;
use messagebox::http::HttpState;
use messagebox::ids::IdentityKey;
use messagebox::server::Server;
use messagebox::socket::SocketTable;

use super::PATIENCE;

/// The server in this process; it ends when dropped, and fails the test if a socket was left behind.
pub struct TestServer {
    pub address: SocketAddr,
    pub identity_key: IdentityKey,
    pub sockets: Arc<SocketTable<AuthSocket>>,
    pub service: Arc<AuthSocketService>,
    pub db: DbHandle,
    pub state: HttpState,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
    folder: tempfile::TempDir,
}

impl TestServer {
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.server.host = String::from("127.0.0.1");
        settings.server.port = Some(0);
        settings.server.workers = 2;
        settings.identity.data_dir = folder.path().into();
        change(&mut settings);
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = Server::start(&settings).unwrap();
                let parts = (
                    server.address,
                    server.identity_key,
                    Arc::clone(&server.sockets),
                    Arc::clone(&server.service),
                    server.db.clone(),
                    server.state.clone(),
                    server.handle().unwrap(),
                );
                sender.send(parts).unwrap();
                server.run().await.unwrap();
            });
        });
        let (address, identity_key, sockets, service, db, state, handle) = receiver.recv().unwrap();
        Self {
            address,
            identity_key,
            sockets,
            service,
            db,
            state,
            handle,
            thread: Some(thread),
            folder,
        }
    }

    /// Where its data is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn http(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.sockets.close_all(CloseReason::TransportClose);
        let start = Instant::now();
        while !self.sockets.is_empty() && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        if !std::thread::panicking() {
            assert_eq!(self.sockets.len(), 0, "a socket was left behind");
        }
    }
}

/// The real binary.
pub struct ServerProcess {
    child: Child,
}

impl ServerProcess {
    /// Starts it on this address, with its data in this folder, and waits until it listens.
    pub fn start(address: SocketAddr, folder: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_messagebox-server"))
            .env_clear()
            .env("HOST", address.ip().to_string())
            .env("PORT", address.port().to_string())
            .env("DATA_DIR", folder)
            .env("CONFIG_DIR", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(start.elapsed() < PATIENCE, "the server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { child }
    }

    /// SIGKILL: nothing is flushed and nobody is told.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that nobody listens on.
pub fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap()
}
