//! What the thread of a node, the registry and the handle share.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use actix::prelude::*;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use crate::outbound::ClockOffset;
use crate::rooms::{ClusterEvent, ClusterPublisher, TopicChange};

use super::counters::ClusterStatus;
use super::envelope::NodeId;
use super::link::RedisAddress;
use super::outbound::publish_queue::{PublishQueue, Pushed};
use super::peers::PeerTable;
use super::sessions::RedisSessions;
use super::timing::WATERMARKS_KEPT;
use super::watermarks::Watermarks;

/// Where Redis is, and the bounds of a node.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// The node's name, for operators.
    pub node_name: String,
    /// The `redis://` or `rediss://` address. It may hold a password.
    pub url: String,
    /// The prefix of all our channels and keys.
    pub prefix: String,
    /// Bytes of events that may wait for Redis, and as many that may wait to be delivered here.
    pub max_queued_bytes: usize,
    /// Messages that catch-up reads at most. Members that missed more are disconnected.
    pub max_catch_up: usize,
    /// How far before a lost connection catch-up starts: longer than a node takes from commit to publication.
    pub overlap: Duration,
}

/// A change of a topic, and the id above which its members need messages.
pub(super) type Interest = (TopicChange, i64);

#[derive(Debug)]
pub(super) struct ClusterShared {
    pub(super) settings: ClusterSettings,
    pub(super) address: RedisAddress,
    pub(super) queue: PublishQueue,
    pub(super) status: Mutex<ClusterStatus>,
    /// Whether catch-up is complete. Until then, the dedup window must keep all keys.
    pub(super) has_caught_up: AtomicBool,
    /// Whether the dedup window lost keys while catch-up was incomplete.
    pub(super) is_dedup_incomplete: AtomicBool,
    /// Notified when another node greets for the first time.
    pub(super) newcomer: Notify,
    watermarks: Mutex<Watermarks>,
    pub(super) peers: Mutex<PeerTable>,
    /// The offset of this machine's clock, measured with Redis.
    pub(super) clock: Mutex<Option<ClockOffset>>,
    /// A copy of the newest watermark, read without the lock.
    latest: AtomicI64,
    interest: mpsc::UnboundedSender<Interest>,
    /// The changes of topics, until the node takes them at its start.
    pub(super) changes: Mutex<Option<mpsc::UnboundedReceiver<Interest>>>,
    /// Where the node runs, once it is started.
    pub(super) arbiter: OnceLock<ArbiterHandle>,
    /// The shared sessions of HTTP clients, if enabled, and where their store runs.
    pub(super) sessions: OnceLock<(RedisSessions, ArbiterHandle)>,
}

impl ClusterShared {
    pub(super) fn new(settings: ClusterSettings, address: RedisAddress) -> Self {
        let (interest, changes) = mpsc::unbounded_channel();
        let watermarks_kept = settings.overlap + WATERMARKS_KEPT;
        Self {
            address,
            queue: PublishQueue::new(settings.max_queued_bytes),
            status: Mutex::default(),
            has_caught_up: AtomicBool::new(false),
            is_dedup_incomplete: AtomicBool::new(false),
            newcomer: Notify::new(),
            watermarks: Mutex::new(Watermarks::new(Instant::now(), 0, watermarks_kept)),
            peers: Mutex::default(),
            clock: Mutex::default(),
            latest: AtomicI64::new(0),
            interest,
            changes: Mutex::new(Some(changes)),
            arbiter: OnceLock::new(),
            sessions: OnceLock::new(),
            settings,
        }
    }

    /// Starts at this message id: earlier messages are not events.
    pub(super) fn start_at(&self, id: i64) {
        self.record(Instant::now(), id);
        self.watermarks.lock().forget_earlier();
    }

    /// Records the highest message id, which was read before `at`.
    pub(super) fn record(&self, at: Instant, id: i64) {
        let mut watermarks = self.watermarks.lock();
        watermarks.record(at, id);
        self.latest.store(watermarks.latest(), Ordering::Release);
    }

    /// An id below those of all messages that may have been missed since `at`.
    pub(super) fn watermark_before(&self, at: Instant) -> i64 {
        self.watermarks.lock().before(at, self.settings.overlap)
    }

    /// Handles the greeting of another node.
    pub(super) fn greeted_by(&self, node: NodeId, greeting: &[u8]) {
        let first = self.peers.lock().hear(node, greeting, Instant::now());
        if let Some(first) = first {
            let (name, version) = (first.name, first.version);
            log::info!("Redis: another node is present: {name:?}, version {version:?}");
            self.newcomer.notify_one();
        }
    }
}

impl ClusterPublisher for ClusterShared {
    fn interest(&self, change: TopicChange, since: i64) {
        // The receiver lives as long as the server.
        let _ = self.interest.send((change, since));
    }

    fn publish(&self, event: ClusterEvent) {
        let pushed = self
            .queue
            .push(event, || self.watermark_before(Instant::now()));
        match pushed {
            Pushed::Queued => {}
            Pushed::Dropped => self.status.lock().dropped += 1,
            Pushed::Lost => self.status.lock().lost += 1,
        }
    }

    fn watermark(&self) -> i64 {
        self.latest.load(Ordering::Acquire)
    }
}
