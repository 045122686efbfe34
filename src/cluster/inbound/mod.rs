//! Events from other nodes: which topics this node subscribes to, what arrives, and what it reads after a gap.

mod catch_up;
pub(super) mod live_event;
mod subscriptions;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use actix::prelude::*;
use bytes::Bytes;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::db::DbHandle;
use crate::rooms::{RemoteEvent, RemoteEvents, RoomRegistry, Topic, TopicChange};

use super::channel::channel;
use super::counters::add;
use super::envelope::{EnvelopeError, Opened, Opener};
use super::link::{LinkError, PushedMessages, RedisLink};
use super::shared::{ClusterShared, Interest};
use super::timing::PING_INTERVAL;

use subscriptions::{Arrived, Subscriptions};

/// Channels in one command.
const MAX_CHANNELS: usize = 500;

/// Messages that are handled together.
const BATCH: usize = 256;

pub(super) struct Inbound {
    shared: Arc<ClusterShared>,
    db: DbHandle,
    registry: Addr<RoomRegistry>,
    opener: RefCell<Opener>,
    subscriptions: RefCell<Subscriptions>,
    /// Notified when catch-up has something to read.
    behind: Notify,
    /// Whether the session has subscribed to all topics that were wanted at its start.
    has_resubscribed: Cell<bool>,
    /// When a message was last refused.
    refused_at: Cell<Option<Instant>>,
}

impl Inbound {
    pub(super) fn new(
        shared: Arc<ClusterShared>,
        opener: Opener,
        db: DbHandle,
        registry: Addr<RoomRegistry>,
    ) -> Self {
        let max_held = shared.settings.max_queued_bytes;
        Self {
            shared,
            db,
            registry,
            opener: RefCell::new(opener),
            subscriptions: RefCell::new(Subscriptions::new(max_held)),
            behind: Notify::new(),
            has_resubscribed: Cell::new(false),
            refused_at: Cell::new(None),
        }
    }

    pub(super) fn begin_session(&self) {
        self.has_resubscribed.set(false);
    }

    /// The connection is lost. Live topics may have missed messages above `since`.
    pub(super) fn disconnected(&self, since: i64) {
        self.shared.has_caught_up.store(false, Ordering::Release);
        self.subscriptions.borrow_mut().disconnected(since);
    }

    /// Applies `first` and all waiting changes of topics. Returns the topics that have no members any more.
    pub(super) fn apply_interest(
        &self,
        changes: &mut UnboundedReceiver<Interest>,
        first: Option<Interest>,
    ) -> Vec<Topic> {
        let mut unwanted = Vec::new();
        let mut subscriptions = self.subscriptions.borrow_mut();
        let mut next = first;
        while let Some((change, since)) = next.take().or_else(|| changes.try_recv().ok()) {
            if let TopicChange::Unwanted(topic) = &change {
                unwanted.push(topic.clone());
            }
            subscriptions.change(change, since);
        }
        unwanted.retain(|topic| !subscriptions.wants(topic));
        unwanted
    }

    /// Subscribes to the topics that have members here, and unsubscribes from the others.
    pub(super) async fn follow_interest(
        &self,
        changes: &mut UnboundedReceiver<Interest>,
        link: &RedisLink,
    ) -> Result<Infallible, LinkError> {
        let mut first = None;
        loop {
            let unwanted = self.apply_interest(changes, first);
            for topics in unwanted.chunks(MAX_CHANNELS) {
                link.unsubscribe(topics.iter().map(channel).collect())
                    .await?;
            }
            loop {
                let topics = self.subscriptions.borrow_mut().subscribe(MAX_CHANNELS);
                if topics.is_empty() {
                    break;
                }
                link.subscribe(topics.iter().map(channel).collect()).await?;
                self.subscriptions.borrow_mut().subscribed(&topics);
            }
            // Only now, so that catch-up reads all topics together.
            self.has_resubscribed.set(true);
            self.behind.notify_one();
            first = changes.recv().await;
            if first.is_none() {
                // The server is shutting down.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Delivers the events that arrive.
    pub(super) async fn receive(
        &self,
        messages: &mut PushedMessages,
    ) -> Result<Infallible, LinkError> {
        loop {
            let batch = messages.next(BATCH).await.inspect_err(|error| {
                if *error == LinkError::Overflow {
                    self.shared.status.lock().dropped += 1;
                }
            })?;
            let events: Vec<RemoteEvent> = batch
                .iter()
                .filter_map(|message| self.accept(message))
                .collect();
            if events.is_empty() {
                continue;
            }
            add(&mut self.shared.status.lock().received, events.len());
            // The next batch waits until these are delivered.
            let delivered = self.registry.send(RemoteEvents(events)).await.unwrap_or(0);
            add(&mut self.shared.status.lock().delivered, delivered);
        }
    }

    /// The event to deliver now, if the message holds one.
    fn accept(&self, message: &Bytes) -> Option<RemoteEvent> {
        let opened = self.opener.borrow_mut().open(message);
        let event = match opened {
            Ok(Opened::Event(event)) => event,
            Ok(Opened::Own) => return None,
            Ok(Opened::Greeting(node, greeting)) => {
                self.shared.greeted_by(node, &greeting);
                return None;
            }
            Err(error) => {
                self.refuse(error);
                return None;
            }
        };
        let arrived = self.subscriptions.borrow_mut().arrived(event);
        match arrived {
            Arrived::Deliver(event) => Some(RemoteEvent::live(event)),
            Arrived::Held | Arrived::Unwanted => None,
            Arrived::Overflow(topic) => {
                self.cut_off([topic].into(), "events arrive faster than catch-up reads");
                None
            }
        }
    }

    /// Counts a message that is no event of a node, and logs one each second.
    fn refuse(&self, error: EnvelopeError) {
        self.shared.status.lock().refused += 1;
        let now = Instant::now();
        let last = self.refused_at.get();
        if last.is_none_or(|last| now - last >= PING_INTERVAL) {
            self.refused_at.set(Some(now));
            log::warn!(
                "Redis: refused a message that is no event of a node of this server: {error}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cluster::node::rotate_dedup;
    use crate::cluster::{Cluster, ClusterSettings};
    use crate::db::{DatabaseUrl, DbSettings};
    use crate::ids::RoomId;
    use crate::rooms::{ClusterEvent, EventKey, RoomSettings};

    /// The inbound side of a node without Redis.
    struct Alone {
        inbound: Inbound,
        _folder: tempfile::TempDir,
    }

    fn alone() -> Alone {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("a.db").display());
        let db = DbSettings::new(DatabaseUrl::parse(&url).unwrap());
        let cluster = Cluster::new(ClusterSettings {
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
        let db = DbHandle::open(&db, None).unwrap();
        let opener = Opener::new(&[7; 32], [1; 16]);
        let inbound = Inbound::new(cluster.shared(), opener, db, registry.start());
        Alone {
            inbound,
            _folder: folder,
        }
    }

    impl Alone {
        /// Whether the registry delivers this event.
        async fn delivers(&self, n: u8) -> bool {
            let event = RemoteEvent::live(ClusterEvent {
                room: RoomId::new("r"),
                key: EventKey::from_bytes([n; EventKey::LEN]),
                id: None,
                trace: None,
                event: vec![n].into(),
            });
            let delivered = self.inbound.registry.send(RemoteEvents(vec![event])).await;
            delivered.unwrap() == 1
        }

        async fn generations_pass(&self) {
            for _ in 0..9 {
                rotate_dedup(&self.inbound.shared, &self.inbound.registry, 3).await;
            }
        }

        /// Catches up as a session does.
        async fn catches_up(&self) {
            self.inbound.has_resubscribed.set(true);
            let caught_up = async {
                while !self.inbound.shared.has_caught_up.load(Ordering::Acquire) {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                ended = self.inbound.catch_up() => panic!("{ended:?}"),
                () = caught_up => {}
            }
        }
    }

    #[actix::test]
    async fn what_was_delivered_is_known_until_all_that_was_missed_is_read() {
        let alone = alone();
        let inbound = &alone.inbound;
        assert!(alone.delivers(1).await);
        for is_connected in [false, true] {
            inbound.shared.status.lock().connected = is_connected;
            alone.generations_pass().await;
            assert!(!alone.delivers(1).await);
        }
        let topic = Topic::of(&RoomId::new("r"));
        let (sender, mut changes) = tokio::sync::mpsc::unbounded_channel();
        sender
            .send((TopicChange::Wanted(topic.clone()), 0))
            .unwrap();
        inbound.apply_interest(&mut changes, None);
        inbound.subscriptions.borrow_mut().subscribe(9);
        inbound.subscriptions.borrow_mut().subscribed(&[topic]);
        alone.catches_up().await;
        assert_eq!(inbound.subscriptions.borrow().catch_up(), None);
        alone.generations_pass().await;
        assert!(alone.delivers(1).await);
        inbound.disconnected(0);
        alone.generations_pass().await;
        assert!(!alone.delivers(1).await);
    }
}
