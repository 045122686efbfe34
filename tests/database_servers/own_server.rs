//! A database server of a test's own, which the test may kill and start again.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::mysql::MysqlConnection;
use diesel::pg::PgConnection;
use diesel::{Connection as _, RunQueryDsl as _};

use crate::need::{find, is_root, postgres_program};
use crate::support::PATIENCE;
use crate::support::server::free_address;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    MariaDb,
    Postgres,
}

/// The server. Dropping this kills it and removes its folder.
pub struct OwnServer {
    make: Make,
    address: SocketAddr,
    folder: tempfile::TempDir,
    /// More arguments of the command line.
    options: Vec<String>,
    child: Option<Child>,
}

/// The account that the server runs as under root. PostgreSQL refuses to run as root, so both use the account of its
/// package.
fn account() -> Option<(u32, u32)> {
    let id = |flag: &str, of: &[&str]| -> Option<u32> {
        let output = Command::new("id").arg(flag).args(of).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    is_root().then(|| Some((id("-u", &["postgres"])?, id("-g", &["postgres"])?)))?
}

/// Gives a file to the server's account.
pub fn give(file: &Path) {
    if let Some((user, group)) = account() {
        chown(file, Some(user), Some(group)).unwrap();
    }
}

fn checked(output: &Output, what: &str) {
    let [errors, printed] =
        [&output.stderr, &output.stdout].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{what}: {errors}{printed}");
}

impl OwnServer {
    /// Starts one with an empty database `messages`.
    pub fn start(make: Make, options: &[&str]) -> Self {
        Self::start_at(free_address(), make, options)
    }

    /// The same at 127.0.0.1, the name in the certificate.
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
        // Under load, MariaDB's script ends early now and then.
        if !server.install().status.success() {
            let _ = std::fs::remove_dir_all(server.data());
            checked(&server.install(), "installing the server");
        }
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

    /// The URL of its database.
    pub fn url(&self) -> String {
        self.url_of("messages")
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL for an ordinary user. A read-only MariaDB still lets `root` write.
    pub fn ordinary_url(&self) -> String {
        if self.make == Make::Postgres {
            return self.url();
        }
        self.run(
            "CREATE USER IF NOT EXISTS ordinary@'%' IDENTIFIED VIA mysql_native_password USING ''",
        );
        self.run("GRANT ALL ON messages.* TO ordinary@'%'");
        format!("mysql://ordinary@{}/messages", self.address)
    }

    /// Runs one statement as its administrator.
    pub fn run(&self, sql: &str) {
        match self.make {
            Make::MariaDb => {
                let mut connection = MysqlConnection::establish(&self.url_of("")).unwrap();
                // `batch_execute` runs several statements, and prepares none.
                connection.batch_execute(sql).unwrap();
            }
            Make::Postgres => {
                let mut connection = PgConnection::establish(&self.url_of("postgres")).unwrap();
                connection.batch_execute(sql).unwrap();
            }
        }
    }

    /// The names of the tables in its database.
    pub fn tables(&self) -> Vec<String> {
        self.texts(match self.make {
            Make::MariaDb => {
                "SELECT CAST(table_name AS CHAR) AS value FROM information_schema.tables WHERE table_schema = 'messages'"
            }
            Make::Postgres => {
                "SELECT tablename::text AS value FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            }
        })
    }

    /// The column `value` of each row that this query finds.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            value: String,
        }
        let query = diesel::sql_query(sql);
        let rows: Vec<Row> = match self.make {
            Make::MariaDb => query.load(&mut MysqlConnection::establish(&self.url()).unwrap()),
            Make::Postgres => query.load(&mut PgConnection::establish(&self.url()).unwrap()),
        }
        .unwrap();
        rows.into_iter().map(|row| row.value).collect()
    }

    /// Ends the connections of all programs, as a failover does. Returns their number.
    pub fn cut(&self) -> usize {
        let query = match self.make {
            Make::MariaDb => {
                "SELECT CAST(id AS CHAR) AS value FROM information_schema.processlist \
                 WHERE id <> CONNECTION_ID() AND db = 'messages'"
            }
            Make::Postgres => {
                "SELECT pg_terminate_backend(pid)::text AS value FROM pg_stat_activity \
                 WHERE pid <> pg_backend_pid() AND datname = 'messages'"
            }
        };
        let found = self.texts(query);
        if self.make == Make::MariaDb {
            let mut connection = MysqlConnection::establish(&self.url_of("")).unwrap();
            for id in &found {
                // It may have ended by itself.
                let _ = connection.batch_execute(&format!("KILL {id}"));
            }
        }
        found.len()
    }

    /// Refuses writes from now on, or takes them again. Connections stay open.
    pub fn set_read_only(&self, is_read_only: bool) {
        let value = if is_read_only { "on" } else { "off" };
        match self.make {
            Make::MariaDb => self.run(&format!("SET GLOBAL read_only = {value}")),
            Make::Postgres => {
                self.run(&format!(
                    "ALTER SYSTEM SET default_transaction_read_only = {value}"
                ));
                self.run("SELECT pg_reload_conf()");
            }
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A command that runs under the server's account.
    pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = account() {
            command.uid(user).gid(group);
        }
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    fn install(&self) -> Output {
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
        output.unwrap()
    }

    /// Starts it after [`Self::kill`] and waits until it answers.
    pub fn start_again(&mut self) {
        let start = Instant::now();
        while !self.answers() {
            assert!(
                start.elapsed() < 3 * PATIENCE,
                "the database does not start"
            );
            let is_running = |child: &mut Child| child.try_wait().unwrap().is_none();
            if !self.child.as_mut().is_some_and(is_running) {
                // The first start, or the killed process had not quite ended.
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

    /// Kills it with SIGKILL: it flushes nothing and closes no connection.
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
