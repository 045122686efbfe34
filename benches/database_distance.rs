//! Acknowledged messages per second and ack latency, by the distance to the database. Then the same for the writer alone,
//! without sockets and signatures, which shows the limit of one lock.
//!
//! `cargo bench --bench database_distance --all-features` starts this build's server and its load test, with a delaying proxy
//! in front of the servers at `TEST_POSTGRES_URL` and `TEST_MYSQL_URL`. `BENCH_SECONDS` is how long each case is measured;
//! `BENCH_NODE_CORES` keeps each server to this share of a core (Linux, as root), as if it had a small machine of its own.
//! The last column divides the median time by a round trip to the database as it is under that load: the median of a `SELECT 1`.
//! `BENCH_BEFORE` names the server binary of another build, which is measured on SQLite in turn with this one.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    dead_code,
    reason = "a benchmark, with parts of the tests"
)]

#[path = "../tests/it/support/database.rs"]
mod database;
#[path = "../tests/support/delaying_proxy.rs"]
mod delaying_proxy;

use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix::System;
use messagebox::auth::Identity;
use messagebox::db::{DatabaseUrl, DbHandle, DbSettings};
use messagebox::ids::IdentityKey;
use messagebox::model::{MessageBody, NewMessage, Submission};
use serde_json::Value;
use url::Url;

use database::{Kind, TestDatabase};
use delaying_proxy::DelayingProxy;

/// Senders, each of its own identity.
const SENDERS: usize = 50;

/// Messages in flight per sender for the throughput: 800 in total.
const IN_FLIGHT: usize = 16;

/// Messages queued for the writer of each node when it is measured alone.
const WAITING: usize = 2_048;

/// A share of a core: a control group with one process.
struct Share {
    folder: PathBuf,
}

impl Share {
    fn of(process: &Child, cores: f64) -> Self {
        const PERIOD_MICROS: f64 = 5_000.0;
        let root = Path::new("/sys/fs/cgroup");
        let name = format!("messagebox-bench-{}", process.id());
        let quota = format!("{:.0}", cores * PERIOD_MICROS);
        let is_first_version = root.join("cpu").is_dir();
        let folder = root
            .join(if is_first_version { "cpu" } else { "" })
            .join(name);
        std::fs::create_dir(&folder).unwrap();
        let set = |file: &str, value: &str| std::fs::write(folder.join(file), value).unwrap();
        if is_first_version {
            set("cpu.cfs_period_us", &PERIOD_MICROS.to_string());
            set("cpu.cfs_quota_us", &quota);
        } else {
            set("cpu.max", &format!("{quota} {PERIOD_MICROS}"));
        }
        set("cgroup.procs", &process.id().to_string());
        Self { folder }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.folder);
    }
}

struct Server {
    process: Child,
    address: SocketAddr,
    /// Dropped after the process.
    _share: Option<Share>,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(binary: &str, database: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let process = Command::new(binary)
            .env("DATABASE_URL", database)
            .env("HOST", "127.0.0.1")
            .env("PORT", address.port().to_string())
            .env("DATA_DIR", folder.path())
            .env("CONFIG_DIR", folder.path())
            .env("SERVER_PRIVATE_KEY", "5".repeat(64))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let cores = std::env::var("BENCH_NODE_CORES").ok();
        let share = cores.map(|cores| Share::of(&process, cores.parse().unwrap()));
        let server = Self {
            process,
            address,
            _share: share,
            _folder: folder,
        };
        while TcpStream::connect(address).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// Starts a load test that writes its results to this file.
    fn load(&self, senders: usize, in_flight: usize, results: &Path) -> Child {
        let seconds = seconds();
        Command::new(env!("CARGO_BIN_EXE_messagebox-loadtest"))
            .args(["send", "--offline", "--quiet", "--verify", "0"])
            .args(["--server", &format!("http://{}", self.address)])
            .args(["--server-pid", &self.process.id().to_string()])
            .args(["--sockets", &senders.to_string()])
            .args(["--in-flight", &in_flight.to_string()])
            .args(["--duration", &format!("{seconds}s"), "--json"])
            .arg(results)
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a load on some servers gave.
struct Figures {
    /// Acknowledged messages per second.
    per_second: f64,
    /// Median time to an acknowledgement, in milliseconds.
    p50: f64,
    /// CPU time of the servers for each message, in microseconds.
    cpu_micros: f64,
}

fn load(servers: &[Server], in_flight: usize) -> Figures {
    let folder = tempfile::tempdir().unwrap();
    let results = |number: usize| folder.path().join(format!("{number}.json"));
    let senders = SENDERS.div_ceil(servers.len());
    let loads: Vec<Child> = servers
        .iter()
        .enumerate()
        .map(|(number, server)| server.load(senders, in_flight, &results(number)))
        .collect();
    let (mut per_second, mut p50, mut cores) = (0.0, 0.0_f64, 0.0);
    for (number, mut load) in loads.into_iter().enumerate() {
        assert!(load.wait().unwrap().success(), "the load test failed");
        let results: Value =
            serde_json::from_slice(&std::fs::read(results(number)).unwrap()).unwrap();
        let operations = results["operations"].as_array().unwrap();
        let acks = operations.iter().find(|it| it["name"] == "ack").unwrap();
        per_second += acks["per_second"].as_f64().unwrap();
        p50 = p50.max(acks["times"]["p50_us"].as_f64().unwrap() / 1_000.0);
        cores += results["server_process"]["cores"].as_f64().unwrap();
    }
    Figures {
        per_second,
        p50,
        cpu_micros: cores / per_second * 1e6,
    }
}

fn measure(name: &str, kind: Kind, round_trip: Duration, nodes: usize) {
    let own = env!("CARGO_BIN_EXE_messagebox-server");
    measure_binary(own, name, kind, round_trip, nodes);
}

fn measure_binary(binary: &str, name: &str, kind: Kind, round_trip: Duration, nodes: usize) {
    let database = TestDatabase::of(kind);
    let (url, proxy) = at_a_distance(database.url(), round_trip);
    let servers: Vec<Server> = (0..nodes).map(|_| Server::start(binary, &url)).collect();
    let most = load(&servers, IN_FLIGHT);
    let probe = Probe::start(kind, url);
    let p50 = load(&servers, 1).p50;
    let round_trips = match probe.median() {
        Some(median) => format!("{:.1} of {median:.2} ms", p50 / median),
        None => "-".to_owned(),
    };
    let distance = round_trip.as_secs_f64() * 1_000.0;
    println!(
        "{name:<12} {distance:>6.1} ms {nodes:>6} {:>12.0}/s {:>9.0} us {p50:>10.1} ms {round_trips:>16}",
        most.per_second, most.cpu_micros
    );
    drop((servers, proxy));
}

/// Measures round trips to the database server while something else uses it.
struct Probe {
    stop: mpsc::Sender<()>,
    times: JoinHandle<Vec<f64>>,
}

impl Probe {
    fn start(kind: Kind, url: String) -> Self {
        let (stop, stopped) = mpsc::channel();
        let times = std::thread::spawn(move || {
            let Some(mut ask) = asking(kind, &url) else {
                return Vec::new();
            };
            ask();
            let mut times = Vec::new();
            while stopped.recv_timeout(Duration::from_millis(20)) == Err(RecvTimeoutError::Timeout)
            {
                let began = Instant::now();
                ask();
                times.push(began.elapsed().as_secs_f64() * 1_000.0);
            }
            times
        });
        Self { stop, times }
    }

    /// The median in milliseconds; none without a server.
    fn median(self) -> Option<f64> {
        self.stop.send(()).ok();
        let mut times = self.times.join().unwrap();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied()
    }
}

/// Asks the server for nothing, with a statement that is prepared.
fn asking(kind: Kind, url: &str) -> Option<Box<dyn FnMut()>> {
    match kind {
        Kind::Sqlite => {
            let _ = url;
            None
        }
        #[cfg(feature = "mysql")]
        Kind::Mysql => {
            use diesel::{Connection as _, RunQueryDsl as _};
            let mut connection = diesel::MysqlConnection::establish(url).unwrap();
            Some(Box::new(move || {
                diesel::sql_query("SELECT 1")
                    .execute(&mut connection)
                    .unwrap();
            }))
        }
        #[cfg(feature = "postgres")]
        Kind::Postgres => {
            use diesel::{Connection as _, RunQueryDsl as _};
            let mut connection = diesel::PgConnection::establish(url).unwrap();
            Some(Box::new(move || {
                diesel::sql_query("SELECT 1")
                    .execute(&mut connection)
                    .unwrap();
            }))
        }
    }
}

/// The way to a database server through a proxy, which lives as long as the second value. A file has none.
fn at_a_distance(url: &str, round_trip: Duration) -> (String, Option<DelayingProxy>) {
    let mut url = Url::parse(url).unwrap();
    let Some(port) = url.port() else {
        return (url.to_string(), None);
    };
    let server = (url.host_str().unwrap(), port).to_socket_addrs();
    let server = server.unwrap().next().unwrap();
    let proxy = DelayingProxy::start(server, round_trip).unwrap();
    url.set_ip_host(proxy.address().ip()).unwrap();
    url.set_port(Some(proxy.address().port())).unwrap();
    (url.to_string(), Some(proxy))
}

fn seconds() -> u64 {
    let seconds = std::env::var("BENCH_SECONDS").unwrap_or_else(|_| "10".to_owned());
    seconds.parse().unwrap()
}

/// The writer of a node, on a thread of its own.
fn open_writer(url: &str) -> DbHandle {
    let settings = DbSettings::new(DatabaseUrl::parse(url).unwrap());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let system = System::new();
        system.block_on(async {
            sender
                .send(DbHandle::open(&settings, None).unwrap())
                .unwrap();
        });
        system.run().unwrap();
    });
    receiver.recv().unwrap()
}

/// Messages that a writer commits in this time, with a full queue.
fn drive_writer(db: &DbHandle, node: usize, time: Duration) -> usize {
    let identities: Vec<IdentityKey> = (0..SENDERS)
        .map(|_| Identity::random().identity_key())
        .collect();
    let (sender, receiver) = mpsc::channel();
    let submit = |number: usize| {
        let message = NewMessage {
            recipient: identities[number % SENDERS],
            sender: identities[(number / SENDERS) % SENDERS],
            message_box: "inbox".to_owned(),
            message_id: format!("{node}-{number}"),
            body: MessageBody::Text("x".repeat(200).into()),
            payment: None,
            expires_at: None,
            room: None,
        };
        let sender = sender.clone();
        let submission = Submission {
            messages: vec![message],
            paid: None,
            has_payment: false,
        };
        db.submit(submission, move |stored| sender.send(stored).unwrap());
    };
    (0..WAITING).for_each(submit);
    let end = Instant::now() + time;
    let mut stored = 0;
    while Instant::now() < end {
        receiver.recv().unwrap().unwrap();
        submit(WAITING + stored);
        stored += 1;
    }
    for _ in 0..WAITING {
        receiver.recv().unwrap().unwrap();
    }
    stored
}

fn measure_writers(name: &str, kind: Kind, round_trip: Duration, nodes: usize) {
    let database = TestDatabase::of(kind);
    let (url, proxy) = at_a_distance(database.url(), round_trip);
    let time = Duration::from_secs(seconds());
    let writers: Vec<DbHandle> = (0..nodes).map(|_| open_writer(&url)).collect();
    let stored: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = writers
            .iter()
            .enumerate()
            .map(|(node, db)| scope.spawn(move || drive_writer(db, node, time)))
            .collect();
        threads.into_iter().map(|it| it.join().unwrap()).sum()
    });
    let per_second = f64::from(u32::try_from(stored).unwrap()) / time.as_secs_f64();
    let distance = round_trip.as_secs_f64() * 1_000.0;
    println!("{name:<12} {distance:>6.1} ms {nodes:>6} {per_second:>12.0}/s");
    drop(proxy);
}

fn main() {
    println!(
        "{:<12} {:>9} {:>6} {:>14} {:>12} {:>13} {:>16}",
        "database",
        "distance",
        "nodes",
        "800 in flight",
        "server CPU",
        "p50 with 50",
        "round trips"
    );
    measure("SQLite", Kind::Sqlite, Duration::ZERO, 1);
    if let Ok(before) = std::env::var("BENCH_BEFORE") {
        for _ in 0..2 {
            measure_binary(&before, "before", Kind::Sqlite, Duration::ZERO, 1);
            measure("SQLite", Kind::Sqlite, Duration::ZERO, 1);
        }
    }
    #[cfg(all(feature = "mysql", feature = "postgres"))]
    for (name, kind) in [("PostgreSQL", Kind::Postgres), ("MariaDB", Kind::Mysql)] {
        for micros in [0, 500, 2_000] {
            measure(name, kind, Duration::from_micros(micros), 1);
        }
        measure(name, kind, Duration::from_micros(500), 3);
    }

    println!("\nthe writer alone, {WAITING} waiting at each node");
    measure_writers("SQLite", Kind::Sqlite, Duration::ZERO, 1);
    #[cfg(all(feature = "mysql", feature = "postgres"))]
    for (name, kind) in [("PostgreSQL", Kind::Postgres), ("MariaDB", Kind::Mysql)] {
        for (micros, nodes) in [(0, 1), (500, 1), (2_000, 1), (500, 3)] {
            measure_writers(name, kind, Duration::from_micros(micros), nodes);
        }
    }
}
