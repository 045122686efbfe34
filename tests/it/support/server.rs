//! The whole server, in this process or as a child process that can be killed.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix::Addr;
use actix_web::dev::ServerHandle;
use messagebox::admin::Admin;
use messagebox::authsocket::{AuthSocketService, AuthSocketSession};
use messagebox::cluster::Cluster;
use messagebox::config::{Secret, Settings};
use messagebox::db::DbHandle;
use messagebox::engineio::CloseReason;
use messagebox::http::HttpState;
use messagebox::ids::IdentityKey;
use messagebox::server::Server;
use messagebox::socket::SocketTable;
use serde_json::Value;

use super::PATIENCE;
use super::database::TestDatabase;

/// The server in this process. It ends when dropped, and fails the test if a socket is left.
pub struct TestServer {
    pub address: SocketAddr,
    pub identity_key: IdentityKey,
    pub sockets: Arc<SocketTable<AuthSocketSession>>,
    pub service: Arc<AuthSocketService>,
    pub db: DbHandle,
    pub state: HttpState,
    pub admin: Addr<Admin>,
    pub cluster: Option<Cluster>,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
    folder: tempfile::TempDir,
    /// Declared after its users, so that it is dropped last.
    pub database: Arc<TestDatabase>,
}

impl TestServer {
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::on(Arc::new(TestDatabase::create()), change)
    }

    /// One of several servers on the same database.
    pub fn on(database: Arc<TestDatabase>, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.server.host = String::from("127.0.0.1");
        settings.server.port = Some(0);
        settings.server.workers = 2;
        settings.identity.data_dir = folder.path().into();
        settings.database.url = Some(Secret::new(database.url().to_owned()));
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
                    server.admin.clone(),
                    server.cluster.clone(),
                    server.handle().unwrap(),
                );
                sender.send(parts).unwrap();
                server.run().await.unwrap();
            });
        });
        let (address, identity_key, sockets, service, db, state, admin, cluster, handle) =
            receiver.recv().unwrap();
        Self {
            address,
            identity_key,
            sockets,
            service,
            db,
            state,
            admin,
            cluster,
            handle,
            thread: Some(thread),
            folder,
            database,
        }
    }

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
            assert_eq!(self.sockets.len(), 0, "a socket was left open");
        }
    }
}

/// The real server binary as a child process.
pub struct ServerProcess {
    child: Child,
    log: PathBuf,
}

impl ServerProcess {
    /// Starts the server at this address with this data folder, and waits until it listens.
    pub fn start(address: SocketAddr, folder: &Path) -> Self {
        Self::with(address, folder, &[], None)
    }

    /// The same with these variables. A shell runs `first` before it, in its own mount namespace.
    pub fn with(
        address: SocketAddr,
        folder: &Path,
        variables: &[(&str, &str)],
        first: Option<&str>,
    ) -> Self {
        let binary = env!("CARGO_BIN_EXE_messagebox-server");
        let command = match first {
            None => Command::new(binary),
            Some(script) => {
                let mut command = Command::new("unshare");
                let script = format!("{script} && exec {binary}");
                command.args(["--mount", "sh", "-c", &script]);
                command
            }
        };
        Self::run(command, address, folder, variables)
    }

    /// The same with the binary of another version.
    pub fn of_version(
        binary: &Path,
        address: SocketAddr,
        folder: &Path,
        variables: &[(&str, &str)],
    ) -> Self {
        Self::run(Command::new(binary), address, folder, variables)
    }

    fn run(
        mut command: Command,
        address: SocketAddr,
        folder: &Path,
        variables: &[(&str, &str)],
    ) -> Self {
        let log = folder.with_extension("log");
        let child = command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOST", address.ip().to_string())
            .env("PORT", address.port().to_string())
            .env("DATA_DIR", folder)
            .env("CONFIG_DIR", folder)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut server = Self { child, log };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none(), "the server stopped: {}", server.log());
            assert!(start.elapsed() < PATIENCE, "the server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Its log lines as objects, for `LOG_FORMAT=json`.
    pub fn log_objects(&self) -> Vec<Value> {
        // The last line may be incomplete.
        let log = self.log();
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let read =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        whole.lines().map(read).collect()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        super::signal(self.child.id(), name);
    }

    /// Waits for its end and returns its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(
                start.elapsed() < PATIENCE,
                "the server does not stop: {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Kills it with SIGKILL: it flushes nothing and closes no connection.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.log);
    }
}

/// An address without a listener. It is a random loopback host, which no other test uses, so that a server can restart
/// at the same address.
pub fn free_address() -> SocketAddr {
    let host: [u8; 3] = rand::random();
    let host = std::net::Ipv4Addr::new(127, host[0], host[1], host[2].clamp(2, 254));
    let listener = std::net::TcpListener::bind((host, 0)).unwrap();
    listener.local_addr().unwrap()
}
