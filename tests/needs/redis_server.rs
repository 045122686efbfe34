//! A Redis of the test's own, and a route to it that can be cut.

use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::support::server::free_address;
use super::support::{PATIENCE, signal};

/// A `redis-server`. It ends when dropped.
pub struct RedisServer {
    pub address: SocketAddr,
    /// The hosts that it listens on.
    hosts: Vec<String>,
    /// The program and arguments that start it, if any.
    starter: Vec<String>,
    child: Option<Child>,
    folder: tempfile::TempDir,
    /// The port on which the servers of a cluster talk to each other.
    bus: Option<u16>,
}

impl RedisServer {
    /// Starts one. Fails if there is none to start.
    pub fn start() -> Self {
        Self::start_as(None)
    }

    /// Starts one in cluster mode, without slots.
    pub fn of_cluster() -> Self {
        Self::start_as(Some(free_address().port()))
    }

    /// Starts one that is a cluster by itself.
    pub fn cluster() -> Self {
        let server = Self::of_cluster();
        server.add_slots(0, 16_383);
        server.cluster_works();
        server
    }

    fn start_as(bus: Option<u16>) -> Self {
        let address = free_address();
        Self::on(&[address.ip()], address.port(), &[], bus)
    }

    /// Starts one on this port of these hosts, by a program that becomes it. With a bus port it is in cluster mode.
    pub fn on(hosts: &[IpAddr], port: u16, starter: &[&str], bus: Option<u16>) -> Self {
        let mut server = Self {
            address: SocketAddr::new(hosts[0], port),
            hosts: hosts.iter().map(ToString::to_string).collect(),
            starter: starter.iter().map(|word| (*word).to_owned()).collect(),
            child: None,
            folder: tempfile::tempdir().unwrap(),
            bus,
        };
        server.restart();
        server
    }

    pub fn add_slots(&self, first: u16, last: u16) {
        let mut command = redis::cmd("CLUSTER");
        command.arg("ADDSLOTSRANGE").arg(first).arg(last);
        command.exec(&mut self.connection()).unwrap();
    }

    pub fn meet(&self, other: &Self) {
        let mut command = redis::cmd("CLUSTER");
        command.arg("MEET").arg(other.address.ip().to_string());
        command.arg(other.address.port()).arg(other.bus);
        command.exec(&mut self.connection()).unwrap();
    }

    /// Waits until this server sees all slots served.
    pub fn cluster_works(&self) {
        let start = Instant::now();
        loop {
            let mut command = redis::cmd("CLUSTER");
            let info: String = command.arg("INFO").query(&mut self.connection()).unwrap();
            if info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384") {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "the cluster does not work");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn cluster_id(&self) -> String {
        let mut command = redis::cmd("CLUSTER");
        command.arg("MYID").query(&mut self.connection()).unwrap()
    }

    /// The slot of a name.
    pub fn slot(&self, name: &str) -> u16 {
        let mut command = redis::cmd("CLUSTER");
        command.arg("KEYSLOT").arg(name);
        command.query(&mut self.connection()).unwrap()
    }

    /// Moves a slot away from its server, without the slot's keys. The other servers learn of it.
    pub fn take_slot(&self, slot: u16, from: &Self) {
        for (verb, id) in [
            ("IMPORTING", from.cluster_id()),
            ("NODE", self.cluster_id()),
        ] {
            let mut command = redis::cmd("CLUSTER");
            command.arg("SETSLOT").arg(slot).arg(verb).arg(id);
            command.exec(&mut self.connection()).unwrap();
        }
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// It keeps its connections and answers none.
    pub fn pause(&self) {
        signal(self.child.as_ref().unwrap().id(), "STOP");
    }

    pub fn resume(&self) {
        signal(self.child.as_ref().unwrap().id(), "CONT");
    }

    /// Demotes it to a replica. Its connections stay open.
    pub fn follow(&self, other: &Self) {
        let mut command = redis::cmd("REPLICAOF");
        command
            .arg(other.address.ip().to_string())
            .arg(other.address.port());
        command.exec(&mut self.connection()).unwrap();
    }

    /// Starts it at its old address and waits until it answers.
    pub fn restart(&mut self) {
        assert!(self.child.is_none());
        let mut words = self
            .starter
            .iter()
            .map(String::as_str)
            .chain(["redis-server"]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words);
        if let Some(bus) = self.bus {
            command.args(["--cluster-enabled", "yes"]);
            command.args(["--cluster-port", &bus.to_string()]);
            // Otherwise the others would use the source address of its connections.
            command.args(["--cluster-announce-ip", &self.address.ip().to_string()]);
        }
        let child = command
            .args(["--port", &self.address.port().to_string()])
            .arg("--bind")
            .args(&self.hosts)
            .args(["--protected-mode", "no"])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap());
        let start = Instant::now();
        while self.try_connection().is_err() {
            assert!(start.elapsed() < PATIENCE, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn try_connection(&self) -> redis::RedisResult<redis::Connection> {
        let mut connection = redis::Client::open(self.url())?.get_connection()?;
        redis::cmd("PING").exec(&mut connection)?;
        Ok(connection)
    }

    pub fn connection(&self) -> redis::Connection {
        self.try_connection().unwrap()
    }

    /// The subscribed channels of rooms, in order.
    pub fn channels(&self) -> Vec<String> {
        let mut command = redis::cmd("PUBSUB");
        let channels: Vec<String> = command
            .arg("CHANNELS")
            .query(&mut self.connection())
            .unwrap();
        rooms_only(channels)
    }

    /// The subscribed channels of rooms in this server's shard, in order.
    pub fn shard_channels(&self) -> Vec<String> {
        let mut command = redis::cmd("PUBSUB");
        let channels: Vec<String> = command
            .arg("SHARDCHANNELS")
            .query(&mut self.connection())
            .unwrap();
        rooms_only(channels)
    }

    /// The number of subscribers to a channel of this server's shard.
    pub fn shard_listeners(&self, channel: &str) -> usize {
        let mut command = redis::cmd("PUBSUB");
        let (_, count): (String, usize) = command
            .arg("SHARDNUMSUB")
            .arg(channel)
            .query(&mut self.connection())
            .unwrap();
        count
    }

    /// The number of subscribers to a channel.
    pub fn listeners(&self, channel: &str) -> usize {
        let mut command = redis::cmd("PUBSUB");
        let (_, count): (String, usize) = command
            .arg("NUMSUB")
            .arg(channel)
            .query(&mut self.connection())
            .unwrap();
        count
    }

    pub fn publish(&self, channel: &str, message: &[u8]) {
        let mut command = redis::cmd("PUBLISH");
        command.arg(channel).arg(message);
        command.exec(&mut self.connection()).unwrap();
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A route to Redis that can be cut: it ends all connections, and new ones too, until it is mended.
pub struct Way {
    pub address: SocketAddr,
    target: Arc<Mutex<SocketAddr>>,
    open: Arc<Mutex<Option<Vec<AbortHandle>>>>,
    silenced: Arc<Notify>,
    accepting: AbortHandle,
}

impl Way {
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let open = Arc::new(Mutex::new(Some(Vec::new())));
        let connections = Arc::clone(&open);
        let target = Arc::new(Mutex::new(target));
        let leads_to = Arc::clone(&target);
        let silenced = Arc::new(Notify::new());
        let silence = Arc::clone(&silenced);
        let accepting = tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut open = connections.lock().unwrap();
                let Some(open) = open.as_mut() else {
                    continue;
                };
                let silence = Arc::clone(&silence);
                let target = *leads_to.lock().unwrap();
                let passing = tokio::spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(target).await {
                        tokio::select! {
                            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                            () = silence.notified() => std::future::pending().await,
                        }
                    }
                });
                open.push(passing.abort_handle());
            }
        });
        Self {
            address,
            target,
            open,
            silenced,
            accepting: accepting.abort_handle(),
        }
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub fn cut(&self) {
        for connection in self.open.lock().unwrap().take().into_iter().flatten() {
            connection.abort();
        }
    }

    /// New connections lead there. Existing ones stay.
    pub fn lead_to(&self, target: SocketAddr) {
        *self.target.lock().unwrap() = target;
    }

    /// Existing connections stay open and carry nothing more. New ones work.
    pub fn silence(&self) {
        self.silenced.notify_waiters();
    }

    pub fn mend(&self) {
        *self.open.lock().unwrap() = Some(Vec::new());
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.cut();
        self.accepting.abort();
    }
}

/// Without the channel on which nodes greet each other, and sorted.
fn rooms_only(mut channels: Vec<String>) -> Vec<String> {
    channels.retain(|channel| !channel.ends_with("nodes"));
    channels.sort();
    channels
}
