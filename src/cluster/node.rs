//! What a node does from its start to its end: connects, and connects again.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix::prelude::*;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::backoff::Backoff;
use crate::db::DbHandle;
use crate::rooms::{RotateDedup, RoomRegistry, Topic, TopicChange};

use super::counters::add;
use super::envelope::{Opener, Sealer};
use super::handle::ClusterShared;
use super::outbound::publish_queue::Dropped;
use super::peers::Greeting;
use super::inbound::subscriptions::Subscriptions;

/// How often it is looked how far the database has come.
const MARK_INTERVAL: Duration = Duration::from_millis(500);

/// Pauses between attempts to connect. That Redis is back must be known within 5 s.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(3);

/// A connection that has lasted so long was none that fails at once.
pub(super) const SETTLED: Duration = Duration::from_secs(5);

/// An event that is on its way to Redis: its channel, and the envelope.
pub(super) type Sealed = (String, Vec<u8>);

/// A node, on a thread of its own.
pub(super) struct Node {
    pub(super) shared: Arc<ClusterShared>,
    pub(super) db: DbHandle,
    pub(super) registry: Addr<RoomRegistry>,
    interest: RefCell<UnboundedReceiver<(TopicChange, i64)>>,
    /// Taken from there, and not taken in yet.
    first_interest: RefCell<Option<(TopicChange, i64)>>,
    pub(super) subscriptions: RefCell<Subscriptions>,
    /// Something is to be read.
    pub(super) behind: Notify,
    /// Whether all that was wanted at the beginning of the session is subscribed to.
    pub(super) resubscribed: Cell<bool>,
    pub(super) sealer: RefCell<Sealer>,
    pub(super) opener: RefCell<Opener>,
    /// What this node says of itself.
    greeting: Greeting,
    /// Another node was heard for the first time.
    pub(super) newcomer: Notify,
    /// What is to be given to Redis next.
    pub(super) in_flight: RefCell<Vec<Sealed>>,
    /// What Redis was given and has not confirmed: given again, with the same sequence, so that it counts once.
    pub(super) given: RefCell<Option<Arc<Vec<Sealed>>>>,
    /// What is being read to be published after all.
    pub(super) republishing: RefCell<Option<Dropped>>,
    /// Everything that was published before that has come.
    pub(super) heard: Cell<Instant>,
    pub(super) refused_at: Cell<Option<Instant>>,
    /// When it last connected anew because another node did not hear it.
    pub(super) left_unheard: Cell<Option<Instant>>,
}

impl Node {
    pub(super) fn new(
        shared: Arc<ClusterShared>,
        key: &[u8; 32],
        interest: UnboundedReceiver<(TopicChange, i64)>,
        db: DbHandle,
        registry: Addr<RoomRegistry>,
    ) -> Self {
        let id = rand::random();
        let max_held = shared.settings.max_queued_bytes;
        let greeting = Greeting {
            name: shared.settings.node_name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            hears: None,
        };
        shared.peers().name(&id);
        Self {
            shared,
            db,
            registry,
            interest: RefCell::new(interest),
            first_interest: RefCell::default(),
            subscriptions: RefCell::new(Subscriptions::new(max_held)),
            behind: Notify::new(),
            resubscribed: Cell::new(false),
            sealer: RefCell::new(Sealer::new(key, id)),
            opener: RefCell::new(Opener::new(key, id)),
            greeting,
            newcomer: Notify::new(),
            in_flight: RefCell::default(),
            given: RefCell::default(),
            republishing: RefCell::default(),
            heard: Cell::new(Instant::now()),
            refused_at: Cell::new(None),
            left_unheard: Cell::new(None),
        }
    }

    /// What this node says of itself now.
    pub(super) fn greeting(&self, now: Instant) -> Vec<u8> {
        let greeting = Greeting {
            hears: self.shared.peers().heard(now),
            ..self.greeting.clone()
        };
        // Texts and a number always serialize.
        serde_json::to_vec(&greeting).unwrap_or_default()
    }

    /// For ever.
    pub(super) async fn run(self) {
        let counters = &self.shared.counters;
        let mut backoff = Backoff::new(FIRST_PAUSE, MAX_PAUSE);
        let mut was_connected = false;
        // Once: a Redis that stays away is not worth a line each second.
        let mut is_told = false;
        loop {
            let connecting = self
                .shared
                .address
                .connect(self.shared.settings.max_queued_bytes);
            let ended = match connecting.await {
                Ok((link, incoming)) => {
                    log::info!("Redis: connected; room events cross between nodes");
                    if was_connected {
                        add(&counters.reconnects, 1);
                    }
                    (was_connected, is_told) = (true, false);
                    self.heard.set(Instant::now());
                    counters.connected.store(true, Ordering::Release);
                    let begun = Instant::now();
                    let ended = self.session(&link, incoming).await;
                    if begun.elapsed() >= SETTLED {
                        backoff.reset();
                    }
                    counters.connected.store(false, Ordering::Release);
                    self.disconnected();
                    ended
                }
                Err(error) => error,
            };
            if !is_told {
                log::error!(
                    "Redis: {ended}; room events reach the members of this node only, until it is back"
                );
                is_told = true;
            }
            self.take_interest();
            tokio::time::sleep(backoff.next(rand::random())).await;
        }
    }

    /// Takes in what members have come and gone; gives the topics that nobody wants any more.
    pub(super) fn take_interest(&self) -> Vec<Topic> {
        let mut unwanted = Vec::new();
        let mut subscriptions = self.subscriptions.borrow_mut();
        let mut next = self.first_interest.take();
        let mut interest = self.interest.borrow_mut();
        while let Some((change, since)) = next.or_else(|| interest.try_recv().ok()) {
            if let TopicChange::Unwanted(topic) = &change {
                unwanted.push(topic.clone());
            }
            subscriptions.change(change, since);
            next = None;
        }
        unwanted.retain(|topic| !subscriptions.wants(topic));
        unwanted
    }

    /// Waits until members have come or gone.
    pub(super) async fn interest_changed(&self) {
        let change = std::future::poll_fn(|cx| self.interest.borrow_mut().poll_recv(cx)).await;
        match change {
            Some(change) => *self.first_interest.borrow_mut() = Some(change),
            // The server goes down.
            None => std::future::pending().await,
        }
    }

    fn disconnected(&self) {
        self.shared.has_caught_up.store(false, Ordering::Release);
        *self.shared.clock() = None;
        self.take_back();
        let since = self.shared.behind(self.heard.get());
        self.subscriptions.borrow_mut().disconnected(since);
    }
}

/// Looks now and then how far the database has come, and has the registry forget what cannot come again.
pub(super) async fn watch(shared: Arc<ClusterShared>, db: DbHandle, registry: Addr<RoomRegistry>) {
    let overlap = shared.settings.overlap.as_millis() / MARK_INTERVAL.as_millis();
    // Twice, because what is read once more was delivered at about its time, and a lost connection is noticed late.
    let keep = usize::try_from(overlap)
        .unwrap_or(usize::MAX)
        .saturating_mul(2);
    let keep = keep.saturating_add(30);
    loop {
        tokio::time::sleep(MARK_INTERVAL).await;
        match db.last_message_id().await {
            // After its answer: a message that it names may have been stored after it was asked.
            Ok(id) => shared.record(Instant::now(), id),
            Err(error) => log::debug!("how far the database has come: {error}"),
        }
        forget(&shared, &registry, keep).await;
    }
}

/// Begins a generation of what is remembered as delivered. All of them are kept while there is something to be read that
/// may have been delivered.
async fn forget(shared: &ClusterShared, registry: &Addr<RoomRegistry>, keep: usize) {
    let has_caught_up = || shared.has_caught_up.load(Ordering::Acquire);
    let keep = has_caught_up().then_some(keep);
    let forgotten = registry.send(RotateDedup { keep }).await;
    if forgotten == Ok(true) && !has_caught_up() {
        shared.incomplete.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Cluster, ClusterSettings};
    use crate::db::{DatabaseUrl, DbSettings};
    use crate::ids::RoomId;
    use crate::rooms::{EventKey, ClusterEvent, RemoteEvent, RemoteEvents, RoomSettings};

    /// A node without Redis.
    struct Alone {
        node: Node,
        interest: tokio::sync::mpsc::UnboundedSender<(TopicChange, i64)>,
        _folder: tempfile::TempDir,
    }

    fn alone() -> Alone {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("a.db").display());
        let db = DbSettings::new(DatabaseUrl::parse(&url).unwrap());
        let (cluster, _starting) = Cluster::new(ClusterSettings {
            node_name: "node".to_owned(),
            url: "redis://localhost".to_owned(),
            prefix: "test:".to_owned(),
            max_queued_bytes: 9_999,
            max_catch_up: 99,
            overlap: Duration::from_secs(1),
        })
        .unwrap();
        let registry = RoomRegistry::new(RoomSettings::default());
        let registry = registry.with_cluster(cluster.publisher());
        let (interest, changes) = tokio::sync::mpsc::unbounded_channel();
        let db = DbHandle::open(&db, None).unwrap();
        let node = Node::new(cluster.shared(), &[7; 32], changes, db, registry.start());
        Alone {
            node,
            interest,
            _folder: folder,
        }
    }

    impl Alone {
        /// Whether it delivers this event.
        async fn delivers(&self, n: u8) -> bool {
            let event = ClusterEvent {
                room: RoomId::new("r"),
                key: EventKey::from_bytes([n; EventKey::LEN]),
                id: None,
                trace: None,
                event: vec![n].into(),
            };
            let event = RemoteEvent {
                event,
                is_caught_up: false,
            };
            let delivered = self.node.registry.send(RemoteEvents(vec![event])).await;
            delivered.unwrap() == 1
        }

        async fn generations_pass(&self) {
            for _ in 0..9 {
                forget(&self.node.shared, &self.node.registry, 3).await;
            }
        }

        /// As a session does.
        async fn catches_up(&self) {
            self.node.resubscribed.set(true);
            let caught_up = async {
                while !self.node.shared.has_caught_up.load(Ordering::Acquire) {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                ended = self.node.catch_up() => panic!("{ended}"),
                () = caught_up => {}
            }
        }
    }

    #[actix::test]
    async fn what_was_delivered_is_known_until_all_that_was_missed_is_read() {
        let alone = alone();
        let connected = &alone.node.shared.counters.connected;
        assert!(alone.delivers(1).await);
        for is_connected in [false, true] {
            connected.store(is_connected, Ordering::Release);
            alone.generations_pass().await;
            assert!(!alone.delivers(1).await);
        }
        let topic = Topic::of(&RoomId::new("r"));
        let wanted = TopicChange::Wanted(topic.clone());
        alone.interest.send((wanted, 0)).unwrap();
        alone.node.take_interest();
        alone.node.subscriptions.borrow_mut().subscribe(9);
        alone.node.subscriptions.borrow_mut().subscribed(&[topic]);
        alone.catches_up().await;
        assert_eq!(alone.node.subscriptions.borrow().reading(), None);
        alone.generations_pass().await;
        assert!(alone.delivers(1).await);
        alone.node.disconnected();
        alone.generations_pass().await;
        assert!(!alone.delivers(1).await);
    }
}
