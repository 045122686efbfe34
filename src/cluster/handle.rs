//! The way to the other nodes for everybody else.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use actix::prelude::*;
use thiserror::Error;
use tokio::sync::mpsc;

use crate::auth::{Counterparty, Identity, KeyError, KeyId, Protocol};
use crate::db::DbHandle;
use crate::outbound::ClockOffset;
use crate::rooms::{ClusterEvent, ClusterPublisher, RoomRegistry, TopicChange};

use super::counters::{ClusterStatus, ClusterCounters, NonceStatus, add};
use super::link::{LinkError, RedisAddress};
use super::watermarks::Watermarks;
use super::node::{self, Node};
use super::outbound::publish_queue::{PublishQueue, Pushed};
use super::peers::{ClusterPeer, PeerTable};
use super::sessions::{RedisSessions, StoreSettings};

/// How long marks are kept beyond the overlap: longer than a lost connection goes unnoticed.
const WATERMARKS_KEPT: Duration = Duration::from_secs(60);

/// Where Redis is, and the bounds of what goes through it.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// What this node is called, to people.
    pub node_name: String,
    /// `redis://` or `rediss://`; may have a password.
    pub url: String,
    /// What the names of our channels and keys begin with.
    pub prefix: String,
    /// Bytes of events that may wait for Redis, and as many that may wait to be delivered here.
    pub max_queued_bytes: usize,
    /// Messages that are read from the database after Redis was away; those who have missed more are cut off.
    pub max_catch_up: usize,
    /// How far back of a lost connection is read: longer than another node takes from a commit to its publication.
    pub overlap: Duration,
}

/// Why this server cannot be one of several.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// Its address cannot be used.
    #[error("REDIS_URL: {0}")]
    Address(#[from] LinkError),
    /// No key to authenticate events with.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Checks the address of Redis without connecting.
///
/// # Errors
/// [`ClusterError::Address`].
pub fn check_address(url: &str) -> Result<(), ClusterError> {
    RedisAddress::parse(url, "")?;
    Ok(())
}

/// What the node and its handles share.
#[derive(Debug)]
pub(super) struct ClusterShared {
    pub(super) settings: ClusterSettings,
    pub(super) address: RedisAddress,
    pub(super) outbox: PublishQueue,
    pub(super) counters: ClusterCounters,
    /// Whether all that was missed while Redis was away has been read: until then, what was delivered must be known.
    pub(super) has_caught_up: AtomicBool,
    /// What was delivered here while Redis was away is not known any more.
    pub(super) incomplete: AtomicBool,
    marks: Mutex<Watermarks>,
    peers: Mutex<PeerTable>,
    clock: Mutex<Option<ClockOffset>>,
    latest: AtomicI64,
    interest: mpsc::UnboundedSender<(TopicChange, i64)>,
    /// Where the node runs, once it does.
    arbiter: OnceLock<ArbiterHandle>,
    /// The sessions of HTTP clients, where they are shared, and where that is done.
    sessions: OnceLock<(RedisSessions, ArbiterHandle)>,
}

impl ClusterShared {
    pub(super) fn record(&self, at: Instant, id: i64) {
        let mut marks = self.marks();
        marks.record(at, id);
        self.latest.store(marks.latest(), Ordering::Release);
    }

    /// An id that all is behind that may have been missed since `at`.
    pub(super) fn behind(&self, at: Instant) -> i64 {
        self.marks().before(at, self.settings.overlap)
    }

    pub(super) fn latest(&self) -> i64 {
        self.latest.load(Ordering::Acquire)
    }

    pub(super) fn peers(&self) -> MutexGuard<'_, PeerTable> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What Redis last told of this machine's clock.
    pub(super) fn clock(&self) -> MutexGuard<'_, Option<ClockOffset>> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn marks(&self) -> MutexGuard<'_, Watermarks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClusterPublisher for ClusterShared {
    fn interest(&self, change: TopicChange, since: i64) {
        // The node lives as long as the server.
        let _ = self.interest.send((change, since));
    }

    fn publish(&self, event: ClusterEvent) {
        match self.outbox.push(event, || self.behind(Instant::now())) {
            Pushed::Waits => {}
            Pushed::Dropped => add(&self.counters.dropped, 1),
            Pushed::Lost => add(&self.counters.lost, 1),
        }
    }

    fn latest_watermark(&self) -> i64 {
        self.latest()
    }
}

/// A handle on this node; cheap to clone.
#[derive(Debug, Clone)]
pub struct Cluster(Arc<ClusterShared>);

/// A node that is not one yet.
#[derive(Debug)]
pub struct Starting {
    interest: mpsc::UnboundedReceiver<(TopicChange, i64)>,
}

impl Cluster {
    /// Prepares a node; nothing is connected until it is started.
    ///
    /// # Errors
    /// [`ClusterError::Address`].
    pub fn new(settings: ClusterSettings) -> Result<(Self, Starting), ClusterError> {
        let address = RedisAddress::parse(&settings.url, &settings.prefix)?;
        let (sender, interest) = mpsc::unbounded_channel();
        let marks = Watermarks::new(Instant::now(), 0, settings.overlap + WATERMARKS_KEPT);
        let shared = ClusterShared {
            address,
            outbox: PublishQueue::new(settings.max_queued_bytes),
            counters: ClusterCounters::default(),
            has_caught_up: AtomicBool::new(false),
            incomplete: AtomicBool::new(false),
            marks: Mutex::new(marks),
            peers: Mutex::default(),
            clock: Mutex::default(),
            latest: AtomicI64::new(0),
            interest: sender,
            arbiter: OnceLock::new(),
            sessions: OnceLock::new(),
            settings,
        };
        Ok((Self(Arc::new(shared)), Starting { interest }))
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> Arc<ClusterShared> {
        Arc::clone(&self.0)
    }

    /// What the rooms publish through.
    #[must_use]
    pub fn publisher(&self) -> Arc<dyn ClusterPublisher> {
        Arc::clone(&self.0) as Arc<dyn ClusterPublisher>
    }

    /// Begins. Must be called before anybody is served: what is in the database by then is not news.
    ///
    /// # Errors
    /// [`ClusterError`]. That Redis is away is none.
    pub fn start(
        &self,
        starting: Starting,
        identity: &Identity,
        db: &DbHandle,
        registry: &Addr<RoomRegistry>,
    ) -> Result<(), ClusterError> {
        let pair = identity.pair(Counterparty::Own)?;
        let key = pair.symmetric_key(&Protocol::ROOM_EVENTS, KeyId::One("1"))?;
        let first = db.first_message_id();
        let keep = self.0.settings.overlap + WATERMARKS_KEPT;
        *self.0.marks() = Watermarks::new(Instant::now(), first, keep);
        self.0.latest.store(first, Ordering::Release);
        let shared = Arc::clone(&self.0);
        let (db, registry) = (db.clone(), registry.clone());
        // Beside the workers: what comes from other nodes holds no socket up.
        let arbiter = Arbiter::new();
        arbiter.spawn_fn(move || {
            actix::spawn(node::watch(
                Arc::clone(&shared),
                db.clone(),
                registry.clone(),
            ));
            let node = Node::new(shared, &key, starting.interest, db, registry);
            actix::spawn(node.run());
        });
        let _ = self.0.arbiter.set(arbiter.handle());
        Ok(())
    }

    /// Shares sessions with the other nodes from now on.
    #[must_use]
    pub fn share_sessions(&self, settings: StoreSettings) -> RedisSessions {
        let (sessions, _) = self.0.sessions.get_or_init(|| {
            let sessions = RedisSessions::new(self.0.address.clone(), settings);
            let running = sessions.clone();
            // Requests wait for it, so it waits for nothing else.
            let arbiter = Arbiter::new();
            arbiter.spawn(running.run());
            (sessions, arbiter.handle())
        });
        sessions.clone()
    }

    /// The server has ended: the node lets go of everything.
    pub fn end(&self) {
        let sessions = self.0.sessions.get().map(|(_, arbiter)| arbiter);
        for arbiter in self.0.arbiter.get().into_iter().chain(sessions) {
            arbiter.stop();
        }
    }

    /// Counts since the start.
    #[must_use]
    pub fn status(&self) -> ClusterStatus {
        self.0.counters.status()
    }

    /// The other nodes, as far as they were heard.
    #[must_use]
    pub fn peers(&self) -> Vec<ClusterPeer> {
        self.0.peers().list(Instant::now())
    }

    /// Counts of the nonces of requests, where they are shared.
    #[must_use]
    pub fn nonce_status(&self) -> Option<NonceStatus> {
        let sessions = self.0.sessions.get();
        sessions.map(|(sessions, _)| sessions.status())
    }

    /// Whether events cross, and nonces are shared where they should be.
    ///
    /// # Errors
    /// What to tell the log.
    pub fn check(&self) -> Result<(), String> {
        if !self.status().connected {
            return Err("room events do not reach other nodes, nor come from them".to_owned());
        }
        if self.0.peers().is_unheard(Instant::now()) {
            return Err("another node does not hear what this one publishes".to_owned());
        }
        if self.nonce_status().is_some_and(|nonces| !nonces.connected) {
            return Err("what requests other nodes have served is not known".to_owned());
        }
        Ok(())
    }

    /// What Redis tells of this machine's clock, while it is connected.
    #[must_use]
    pub fn clock(&self) -> Option<ClockOffset> {
        *self.0.clock()
    }

    /// Waits until all that was stored is published, for at most `deadline`; says whether it is.
    pub async fn flush(&self, deadline: Duration) -> bool {
        let begin = Instant::now();
        while !self.0.outbox.is_empty() {
            if begin.elapsed() >= deadline || !self.status().connected {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        true
    }
}
