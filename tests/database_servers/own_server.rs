//! A database server of a test's own, which may be killed and started again.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;
use diesel::mysql::MysqlConnection;
use diesel::pg::PgConnection;

use crate::need::{find, is_root, postgres_program};
use crate::support::PATIENCE;
use crate::support::server::free_address;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    MariaDb,
    Postgres,
}

/// The server; it is killed, and its folder removed, when this is dropped.
pub struct OwnServer {
    make: Make,
    address: SocketAddr,
    folder: tempfile::TempDir,
    /// More of the command line.
    options: Vec<String>,
    child: Option<Child>,
}

/// Neither server runs as root: PostgreSQL refuses, so it runs as the account that its package makes.
fn account() -> Option<(u32, u32)> {
    let id = |flag: &str, of: &[&str]| -> Option<u32> {
        let output = Command::new("id").arg(flag).args(of).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    is_root().then(|| Some((id("-u", &["postgres"])?, id("-g", &["postgres"])?)))?
}

/// Makes a file the server's own.
pub fn give(file: &Path) {
    if let Some((user, group)) = account() {
        chown(file, Some(user), Some(group)).unwrap();
    }
}

fn checked(output: &Output, what: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {said}");
}

impl OwnServer {
    /// With an empty database `messages`.
    pub fn start(make: Make, options: &[&str]) -> Self {
        Self::start_at(free_address(), make, options)
    }

    /// The same at 127.0.0.1, which a certificate names.
    pub fn start_at_localhost(make: Make, options: &[&str]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        Self::start_at(address, make, options)
    }

    fn start_at(address: SocketAddr, make: Make, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        give(folder.path());
        let mut server = Self {
            make,
            address,
            folder,
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            child: None,
        };
        server.install();
        server.start_again();
        let create = "CREATE DATABASE messages";
        match make {
            Make::MariaDb => {
                let mut connection = MysqlConnection::establish(&server.url_of("")).unwrap();
                connection.batch_execute(create).unwrap();
            }
            Make::Postgres => {
                let mut connection = PgConnection::establish(&server.url_of("postgres")).unwrap();
                connection.batch_execute(create).unwrap();
            }
        }
        server
    }

    fn url_of(&self, database: &str) -> String {
        match self.make {
            Make::MariaDb => format!("mysql://root@{}/{database}", self.address),
            Make::Postgres => format!("postgres://postgres@{}/{database}", self.address),
        }
    }

    /// Of its database.
    pub fn url(&self) -> String {
        self.url_of("messages")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = account() {
            command.uid(user).gid(group);
        }
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    fn install(&self) {
        let output = match self.make {
            Make::MariaDb => Self::command(find("mariadb-install-db").unwrap())
                .args(["--no-defaults", "--auth-root-authentication-method=normal"])
                .arg("--skip-test-db")
                .arg(format!("--datadir={}", self.data().display()))
                .output(),
            Make::Postgres => Self::command(postgres_program("initdb").unwrap())
                .args(["--auth=trust", "--username=postgres", "--no-sync", "-D"])
                .arg(self.data())
                .output(),
        };
        checked(&output.unwrap(), "installing the server");
    }

    /// Starts it after [`Self::kill`], and waits until it answers.
    pub fn start_again(&mut self) {
        let start = Instant::now();
        while !self.answers() {
            assert!(
                start.elapsed() < 3 * PATIENCE,
                "the database does not start"
            );
            let is_running = |child: &mut Child| child.try_wait().unwrap().is_none();
            if !self.child.as_mut().is_some_and(is_running) {
                // The first time, or what was killed was not quite gone.
                self.child = Some(self.spawn());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn answers(&self) -> bool {
        match self.make {
            Make::MariaDb => MysqlConnection::establish(&self.url_of("")).is_ok(),
            Make::Postgres => PgConnection::establish(&self.url_of("postgres")).is_ok(),
        }
    }

    fn spawn(&self) -> Child {
        let mut command = match self.make {
            Make::MariaDb => {
                let mut command = Self::command(find("mariadbd").unwrap());
                command
                    .args(["--no-defaults", "--innodb-buffer-pool-size=16M"])
                    .arg(format!("--bind-address={}", self.address.ip()))
                    .arg(format!("--datadir={}", self.data().display()))
                    .arg(format!("--socket={}/socket", self.folder.path().display()))
                    .arg(format!("--pid-file={}/pid", self.folder.path().display()))
                    .arg(format!("--port={}", self.address.port()));
                command
            }
            Make::Postgres => {
                let mut command = Self::command(postgres_program("postgres").unwrap());
                command
                    .args(["-c", &format!("listen_addresses={}", self.address.ip())])
                    .args(["-c", "unix_socket_directories="])
                    .args(["-p", &self.address.port().to_string(), "-D"])
                    .arg(self.data());
                command
            }
        };
        command
            .args(&self.options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// SIGKILL: nothing is flushed, and nobody is told.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.kill();
    }
}
