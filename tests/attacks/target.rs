//! The release server under attack: a process with default limits, and the machine's memory that it uses.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use messagebox::auth::Identity;
use messagebox::ids::IdentityKey;

use crate::outcome::Outcome;
use crate::support::database::{Kind, TestDatabase};
use crate::support::polling;
use crate::support::server::{ServerProcess, free_address};

/// The address of attackers, unless they use several.
pub const ATTACKER: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// A second address of the attacker.
pub const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// An address that takes no part in any attack.
pub const OTHERS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

pub const KEY: &str = "5555555555555555555555555555555555555555555555555555555555555555";

/// What the server may take with default limits and few sockets, as `docs/operations/sizing.md` calculates it: 64 MiB, 2.2 times
/// `MAX_BUFFERED_BYTES`, twice `DB_MAX_QUEUED_BYTES`, and 16 MiB for each of three database connections.
const MEMORY_MIB: u64 = 64 + 1_127 + 512 + 48;

/// The release server, or the binary that `MESSAGEBOX_SERVER` names.
pub fn server_binary() -> PathBuf {
    let built = || env!("CARGO_BIN_EXE_messagebox-server").into();
    std::env::var_os("MESSAGEBOX_SERVER").map_or_else(built, PathBuf::from)
}

pub struct Target {
    pub process: ServerProcess,
    pub address: SocketAddr,
    pub database: Arc<TestDatabase>,
    folder: tempfile::TempDir,
}

impl Target {
    /// Starts the server with default limits, which count for loopback addresses too.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same with these variables.
    pub fn with(variables: &[(&str, &str)]) -> Self {
        let database = Arc::new(TestDatabase::of(Kind::Sqlite));
        Self::on(database, free_address(), variables)
    }

    /// Starts the server on an existing database, at an address of the caller's choice.
    pub fn on(
        database: Arc<TestDatabase>,
        address: SocketAddr,
        variables: &[(&str, &str)],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let usual = [
            ("NODE_ENV", "production"),
            ("SERVER_PRIVATE_KEY", KEY),
            ("UNLIMITED_ADDRESSES", "192.0.2.1/32"),
            ("PUBLIC_METRICS", "true"),
            ("DATABASE_URL", database.url()),
        ];
        let variables = [&usual[..], variables].concat();
        let binary = server_binary();
        let process = ServerProcess::of_version(&binary, address, folder.path(), &variables);
        Self {
            process,
            address,
            database,
            folder,
        }
    }

    /// Kills the server with SIGKILL and starts it again on its database.
    pub fn restarted(self, variables: &[(&str, &str)]) -> Self {
        let (database, address) = (Arc::clone(&self.database), self.address);
        drop(self);
        Self::on(database, address, variables)
    }

    pub fn http(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub fn key() -> IdentityKey {
        Identity::from_hex(KEY).unwrap().identity_key()
    }

    /// Inserts `count` messages of one sender into a box, `bytes` each, without asking the server.
    pub fn fill(&self, owner: IdentityKey, message_box: &str, count: usize, bytes: usize) {
        let (owner, sender) = (owner.to_hex(), Identity::random().identity_key().to_hex());
        let now = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";
        self.database.run(&format!(
            r#"INSERT INTO "messageBox" ("created_at", "updated_at", "type", "identityKey")
                VALUES ({now}, {now}, '{message_box}', '{owner}');
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
            INSERT INTO "messages" ("messageId", "created_at", "updated_at", "messageBoxId", "sender", "recipient", "body")
            SELECT lower(hex(randomblob(16))), {now}, {now}, b."messageBoxId", '{sender}', '{owner}',
                '{{"message":"' || hex(zeroblob({half})) || '"}}'
            FROM n, "messageBox" b WHERE b."identityKey" = '{owner}' AND b."type" = '{message_box}';"#,
            half = bytes / 2,
        ));
    }

    /// The number of messages stored for a recipient.
    pub fn stored(&self, recipient: IdentityKey) -> usize {
        let key = recipient.to_hex();
        let query = format!(r#"SELECT 'x' AS "value" FROM "messages" WHERE "recipient" = '{key}'"#);
        self.database.texts(&query).len()
    }

    /// A line of `/proc/PID/status`, in MiB.
    fn status_mib(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1_024
    }

    /// The peak memory of the process, in MiB.
    pub fn peak_mib(&self) -> u64 {
        self.status_mib("VmHWM")
    }

    pub fn resident_mib(&self) -> u64 {
        self.status_mib("VmRSS")
    }

    /// Checks the peak memory against the documented budget, and reports how late workers were.
    pub async fn is_within_budget(&self, outcome: &mut Outcome) {
        outcome.at_most("peak RSS MiB", self.peak_mib(), MEMORY_MIB);
        let metrics = self.metrics().await;
        let delay = sample(&metrics, "messagebox_worker_delay_max_seconds ");
        outcome.measured(format!("longest worker delay {:.0} ms", delay * 1e3));
        self.is_alive(outcome).await;
    }

    /// Checks that the server still answers and has not panicked.
    pub async fn is_alive(&self, outcome: &mut Outcome) {
        let (status, _) = polling::get(&format!("{}/healthz", self.http())).await;
        outcome.holds(status == 200, format!("/healthz answers {status}"));
        let log = self.process.log();
        outcome.holds(!log.contains("panicked"), "the server panicked");
    }

    /// Whether `/readyz` reports ready with nothing degraded.
    pub async fn is_ready(&self) -> bool {
        let (status, text) = polling::get(&format!("{}/readyz", self.http())).await;
        status == 200 && !text.contains("\"degraded\":[\"")
    }

    pub async fn metrics(&self) -> String {
        polling::get(&format!("{}/metrics", self.http())).await.1
    }
}

/// The sum of the samples whose line starts with `start`.
pub fn sample(metrics: &str, start: &str) -> f64 {
    let values = metrics.lines().filter(|line| line.starts_with(start));
    let number = |line: &str| {
        line.rsplit(' ')
            .next()
            .and_then(|value| value.parse::<f64>().ok())
    };
    values
        .filter_map(number)
        .fold(0.0, |sum, value| sum + value)
}
