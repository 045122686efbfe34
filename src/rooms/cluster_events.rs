//! Events between nodes: the messages, the trait to publish them, and what the registry keeps for them.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use actix::prelude::*;
use bytes::Bytes;

use crate::ids::RoomId;
use crate::telemetry::TraceId;

use super::dedup_window::{DedupWindow, EventKey};
use super::topic::{Topic, TopicChange};

/// Keys of delivered events that are kept, of each kind; some 50 bytes each.
const MAX_DEDUP_KEYS: usize = 500_000;

/// Publishes to the other nodes. Called on the registry's thread: it must not block.
pub trait ClusterPublisher: Send + Sync + fmt::Debug {
    /// A topic got its first member here, or lost its last. The member needs messages with ids above `since`.
    fn interest(&self, change: TopicChange, since: i64);
    /// Publishes an event. Calls come in the order of storing.
    fn publish(&self, event: ClusterEvent);
    /// A message id at or below those of all messages that are stored from now on.
    fn watermark(&self) -> i64;
}

/// The publisher's watermark. A single node needs none: every id is above it.
pub(super) fn watermark(publisher: Option<&Arc<dyn ClusterPublisher>>) -> i64 {
    publisher.map_or(i64::MIN, |publisher| publisher.watermark())
}

/// An event as nodes exchange it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterEvent {
    /// The room that gets the event.
    pub room: RoomId,
    /// The event's key, the same on every node.
    pub key: EventKey,
    /// The id of the message, if known. Members that joined after it was stored do not get the event.
    pub id: Option<i64>,
    /// The trace id for the log lines of the message.
    pub trace: Option<TraceId>,
    /// The encoded event, ready to sign.
    pub event: Bytes,
}

impl ClusterEvent {
    /// Bytes of an event beside its texts.
    pub(crate) const OVERHEAD: usize = 256;

    /// The memory of a queued event in bytes, about.
    pub(crate) fn size(&self) -> usize {
        self.event.len() + self.room.as_str().len() + Self::OVERHEAD
    }
}

/// An event that another node has stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteEvent {
    /// The event, as its node published it.
    pub event: ClusterEvent,
    /// Whether the event was read from the database.
    pub is_caught_up: bool,
}

impl RemoteEvent {
    /// An event that arrived from its node.
    pub const fn live(event: ClusterEvent) -> Self {
        Self {
            event,
            is_caught_up: false,
        }
    }
}

/// Delivers events of other nodes in this order, each once. Returns the number of new ones.
#[derive(Debug, Message)]
#[rtype(result = "usize")]
pub struct RemoteEvents(pub Vec<RemoteEvent>);

/// Disconnects the members of these topics: they may have missed events. Their clients reconnect and list.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CutOff(pub HashSet<Topic>);

/// Starts a generation of the dedup window. Returns whether keys were dropped for want of room since the last call.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct RotateDedup {
    /// Generations to keep; `None` keeps as many as fit.
    pub keep: Option<usize>,
}

/// What the registry of a cluster keeps beside its members.
#[derive(Debug)]
pub(super) struct ClusterRooms {
    pub(super) publisher: Arc<dyn ClusterPublisher>,
    pub(super) delivered: DedupWindow,
}

impl ClusterRooms {
    pub(super) fn new(publisher: Arc<dyn ClusterPublisher>) -> Self {
        Self {
            publisher,
            delivered: DedupWindow::new(MAX_DEDUP_KEYS),
        }
    }

    /// Records an event; `false` if it was delivered before.
    pub(super) fn is_new(&mut self, event: &ClusterEvent, is_caught_up: bool) -> bool {
        if is_caught_up {
            return self.delivered.insert_caught_up(event.key);
        }
        let is_new = self.delivered.insert(event.key);
        if event.room.owner_hex().is_some() {
            return is_new;
        }
        // The database lists the message in its recipient's room: catch-up may have recorded that key already.
        self.delivered.insert(event.key.in_room(&event.room))
    }
}
