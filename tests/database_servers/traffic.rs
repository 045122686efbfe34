//! Load on several nodes: senders, members, and what each of them has seen.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use messagebox::auth::Identity;
use messagebox::client::{
    AuthSocket, ClientError, Connector, Failure, MessageBoxClient, OutgoingMessage, TransportKind,
};
use messagebox::ids::{IdentityKey, RoomId};
use tokio::task::JoinHandle;

use crate::support::senders::{Attempt, Attempts, assert_all_there};
use crate::support::{PATIENCE, within};

pub const BOX: &str = "inbox";

/// The pause before another try at a missing node or an empty box.
const PAUSE: Duration = Duration::from_millis(10);

/// A message whose body is its id.
pub const fn message(to: IdentityKey, id: &str) -> OutgoingMessage<'_> {
    OutgoingMessage {
        recipient: to,
        message_box: BOX,
        message_id: id,
        body: id,
        expires_at: None,
    }
}

pub fn connector(node: SocketAddr) -> Connector {
    let address = format!("http://{node}").parse().unwrap();
    Connector::new(address, TransportKind::Websocket)
        .with_timeout(PATIENCE)
        .unwrap()
}

/// The transport of a sender's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Socket,
    Http,
}

/// A sender's connection to a node, or its HTTP session there.
enum Line {
    Socket(Box<AuthSocket>),
    Http(MessageBoxClient),
}

impl Line {
    async fn open(by: By, node: SocketAddr, identity: &Arc<Identity>) -> Result<Self, ClientError> {
        let (connector, identity) = (connector(node), Arc::clone(identity));
        Ok(match by {
            By::Socket => Self::Socket(Box::new(AuthSocket::connect(&connector, identity).await?)),
            By::Http => Self::Http(MessageBoxClient::new(connector, identity)),
        })
    }

    async fn send(&mut self, to: IdentityKey, id: &str) -> Result<(), ClientError> {
        match self {
            Self::Socket(socket) => socket.send_message(&message(to, id)).await.map(drop),
            Self::Http(client) => client.send(to, BOX, id, id).await.map(drop),
        }
    }
}

/// The messages of a sender. It repeats a message until it is acknowledged, and then sends the next.
#[derive(Debug, Default)]
pub struct Sent {
    /// The ids acknowledged over each of its connections. All connections but the last were broken.
    pub by_connection: Vec<Vec<String>>,
    /// Ids that were sent more than once: where and when they were stored is unknown.
    pub again: HashSet<String>,
    /// The nodes whose connections broke.
    pub broken_at: Vec<SocketAddr>,
}

impl Sent {
    /// Ids that were sent once, by connection. That connection's node has stored them in this order.
    pub fn once(&self) -> Vec<Vec<&String>> {
        let is_once = |id: &&String| !self.again.contains(*id);
        let connections = self.by_connection.iter();
        connections
            .map(|ids| ids.iter().filter(is_once).collect())
            .collect()
    }

    /// In the form that the checks of lists and of the collector take.
    pub fn attempts(&self) -> Attempts {
        let attempt = |id: &String| Attempt {
            id: id.clone(),
            acknowledged: true,
        };
        self.by_connection.iter().flatten().map(attempt).collect()
    }
}

/// Senders that work until they are stopped, and move from node to node where they must.
#[derive(Default)]
pub struct Senders {
    stop: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
    running: Vec<(By, Arc<AtomicUsize>, JoinHandle<Sent>)>,
}

impl Senders {
    /// Starts one more, at the first of these nodes.
    pub fn start(&mut self, by: By, nodes: Vec<SocketAddr>, to: IdentityKey) {
        let acknowledged = Arc::<AtomicUsize>::default();
        let sender = Sender {
            name: format!("{by:?} {}", self.running.len()),
            stop: Arc::clone(&self.stop),
            refused: Arc::clone(&self.refused),
            acknowledged: Arc::clone(&acknowledged),
        };
        let running = tokio::spawn(sender.send(by, nodes, to));
        self.running.push((by, acknowledged, running));
    }

    /// The number of acknowledged messages of each sender.
    pub fn acknowledged(&self) -> Vec<usize> {
        let count = |(_, count, _): &(_, Arc<AtomicUsize>, _)| count.load(Ordering::Acquire);
        self.running.iter().map(count).collect()
    }

    /// The number of refusals.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::Acquire)
    }

    /// Stops the senders and returns what each has sent.
    pub async fn stop(&mut self) -> Vec<(By, Sent)> {
        self.stop.store(true, Ordering::Release);
        let mut sent = Vec::new();
        for (by, _, running) in self.running.drain(..) {
            sent.push((by, within("the end of a sender", running).await.unwrap()));
        }
        sent
    }
}

struct Sender {
    name: String,
    stop: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
    acknowledged: Arc<AtomicUsize>,
}

impl Sender {
    async fn send(self, by: By, nodes: Vec<SocketAddr>, to: IdentityKey) -> Sent {
        let identity = Arc::new(Identity::random());
        let (mut sent, mut number) = (Sent::default(), 0);
        for node in nodes.iter().cycle() {
            let mut line = match Line::open(by, *node, &identity).await {
                Ok(line) => line,
                Err(error) if error.failure() == Failure::Unreachable => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Err(error) => panic!("{}: {error}", self.name),
            };
            sent.by_connection.push(Vec::new());
            while !self.stop.load(Ordering::Acquire) {
                let id = format!("{} {number}", self.name);
                let error = match within("an answer", line.send(to, &id)).await {
                    Ok(()) => {
                        sent.by_connection.last_mut().unwrap().push(id);
                        self.acknowledged.fetch_add(1, Ordering::AcqRel);
                        number += 1;
                        continue;
                    }
                    Err(error) => error,
                };
                sent.again.insert(id);
                match error.failure() {
                    Failure::Refused => _ = self.refused.fetch_add(1, Ordering::AcqRel),
                    Failure::Unreachable => {
                        sent.broken_at.push(*node);
                        break;
                    }
                    _ => panic!("{}: {error}", self.name),
                }
            }
            if self.stop.load(Ordering::Acquire) {
                return sent;
            }
        }
        sent
    }
}

/// A member of its own room at one node, which reconnects when its socket ends.
pub struct Member {
    /// The ids that came, by socket.
    received: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Member {
    pub fn start(node: SocketAddr, identity: Arc<Identity>) -> Self {
        let received = Arc::<Mutex<Vec<Vec<String>>>>::default();
        tokio::spawn(listen(node, identity, Arc::clone(&received)));
        Self { received }
    }

    pub fn received(&self) -> Vec<Vec<String>> {
        self.received.lock().unwrap().clone()
    }

    /// The number of its sockets so far.
    pub fn sockets(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    /// Whether its last socket has received all of these.
    pub fn has_received<'a>(&self, ids: impl IntoIterator<Item = &'a String>) -> bool {
        let received = self.received.lock().unwrap();
        let received: HashSet<&String> = received.last().into_iter().flatten().collect();
        ids.into_iter().all(|id| received.contains(id))
    }
}

/// Listens until the task is aborted.
async fn listen(node: SocketAddr, identity: Arc<Identity>, received: Arc<Mutex<Vec<Vec<String>>>>) {
    let room = RoomId::of(&identity.identity_key(), BOX);
    loop {
        let ended = async {
            let mut socket = AuthSocket::connect(&connector(node), Arc::clone(&identity)).await?;
            socket.join(&room).await?;
            received.lock().unwrap().push(Vec::new());
            loop {
                let event = socket.next_event().await?;
                if let Some(message) = event.message_of(&room) {
                    let mut received = received.lock().unwrap();
                    received.last_mut().unwrap().push(message.message_id);
                }
            }
        };
        let ended: Result<(), ClientError> = ended.await;
        let error = ended.unwrap_err();
        assert_eq!(error.failure(), Failure::Unreachable, "{error}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// The messages that a collector has found.
#[derive(Debug, Default)]
pub struct Collected {
    /// Each id once, in order.
    pub ids: Vec<String>,
    /// Ids that were listed again after they were acknowledged.
    pub again: Vec<String>,
}

/// Lists and acknowledges at one node after the other, until it is stopped and finds nothing more.
pub struct Collector {
    stop: Arc<AtomicBool>,
    running: JoinHandle<Collected>,
}

impl Collector {
    pub fn start(nodes: &[SocketAddr], identity: &Arc<Identity>) -> Self {
        let client =
            |node: &SocketAddr| MessageBoxClient::new(connector(*node), Arc::clone(identity));
        let clients = nodes.iter().map(client).collect();
        let stop = Arc::<AtomicBool>::default();
        let running = tokio::spawn(collect(clients, Arc::clone(&stop)));
        Self { stop, running }
    }

    pub async fn stop(&mut self) -> Collected {
        self.stop.store(true, Ordering::Release);
        within("the end of the collector", &mut self.running)
            .await
            .unwrap()
    }
}

async fn collect(clients: Vec<MessageBoxClient>, stop: Arc<AtomicBool>) -> Collected {
    let mut collected = Collected::default();
    let (mut known, mut acknowledged) = (HashSet::new(), HashSet::new());
    for client in clients.iter().cycle() {
        let is_last = stop.load(Ordering::Acquire);
        let done = async {
            let listed = client.list(BOX).await?;
            let ids: Vec<String> = listed
                .into_iter()
                .map(|message| message.message_id)
                .collect();
            let new = ids.iter().filter(|id| known.insert(String::clone(id)));
            collected.ids.extend(new.cloned());
            let again = ids.iter().filter(|id| acknowledged.contains(*id));
            collected.again.extend(again.cloned());
            let found_none = ids.is_empty();
            if !found_none {
                client.acknowledge(&ids).await?;
                acknowledged.extend(ids);
            }
            Ok::<_, ClientError>(found_none)
        };
        match done.await {
            Ok(true) if is_last => break,
            Ok(false) => {}
            Ok(true) => tokio::time::sleep(PAUSE).await,
            // Messages that were not acknowledged after all are listed again.
            Err(error) => {
                let failure = error.failure();
                let is_expected = matches!(failure, Failure::Unreachable | Failure::Refused);
                assert!(is_expected, "{error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    collected
}

/// No socket receives a message twice, and messages sent over one connection arrive in order. Repeated messages have no
/// defined place: they may have been stored before.
pub fn assert_once_and_in_order(received: &[String], senders: &[&Sent]) {
    let distinct: HashSet<&String> = received.iter().collect();
    assert_eq!(
        distinct.len(),
        received.len(),
        "a socket received a message twice"
    );
    let mut places = HashMap::new();
    for (sender, sent) in senders.iter().enumerate() {
        for (connection, ids) in sent.once().into_iter().enumerate() {
            let ids = ids.into_iter().enumerate();
            places.extend(ids.map(|(n, id)| (id, (sender, connection, n))));
        }
    }
    let mut last = HashMap::new();
    for (sender, connection, n) in received.iter().filter_map(|id| places.get(id)) {
        let before = last.insert((sender, connection), n);
        assert!(
            before < Some(n),
            "{sender} {connection}: {n} after {before:?}"
        );
    }
}

/// The collector has every message that was acknowledged to a sender. None comes after its acknowledgement, except
/// those that a sender had to repeat.
pub fn assert_collected(collected: &Collected, senders: &[&Sent]) {
    let ids: Vec<&str> = collected.ids.iter().map(String::as_str).collect();
    let attempts: Vec<Attempts> = senders.iter().map(|sent| sent.attempts()).collect();
    assert_all_there(&ids, &attempts);
    let was_repeated = |id: &String| senders.iter().any(|sent| sent.again.contains(id));
    let again = collected.again.iter().filter(|id| !was_repeated(id));
    let again: Vec<&String> = again.collect();
    assert_eq!(again, [""; 0], "listed after their acknowledgement");
}
