//! Rooms whose members are on several nodes: what the registry tells the others, and what it hears of them.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use actix::prelude::*;
use bytes::Bytes;

use crate::ids::RoomId;
use crate::telemetry::{self, TraceId};

use super::interest::TopicChange;
use super::registry::RoomRegistry;
use super::dedup_window::{EventKey, DedupWindow};
use super::topic::Topic;

/// Events of each kind that are remembered as delivered; some 50 bytes each.
const MAX_DEDUP_KEYS: usize = 500_000;

/// The way to the other nodes. Called on the registry's thread: it must not wait.
pub trait ClusterPublisher: Send + Sync + fmt::Debug {
    /// A topic has got its first member here, or lost its last. What is wanted of it was stored behind the id `since`.
    fn interest(&self, change: TopicChange, since: i64);
    /// An event for the other nodes, in the order of storing.
    fn publish(&self, event: ClusterEvent);
    /// A message id at or below all those that are stored from now on.
    fn latest_watermark(&self) -> i64;
}

/// An event for the other nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterEvent {
    /// Where it happened.
    pub room: RoomId,
    /// Which one it is.
    pub key: EventKey,
    /// The id of its message, if it is known: who came after that was stored does not get it, however late it comes.
    pub id: Option<i64>,
    /// What the log lines of its message bear.
    pub trace: Option<TraceId>,
    /// The event, encoded.
    pub event: Bytes,
}

impl ClusterEvent {
    /// What an event takes beside its texts.
    pub(crate) const OVERHEAD: usize = 256;

    /// The memory that it takes while it waits, about.
    pub(crate) fn size(&self) -> usize {
        self.event.len() + self.room.as_str().len() + Self::OVERHEAD
    }
}

/// An event that another node has stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteEvent {
    /// Where it happened, which one it is, and what.
    pub event: ClusterEvent,
    /// Whether it was read from the database.
    pub is_caught_up: bool,
}

/// Deliver these events, in this order, but for those that were delivered before; says how many were.
#[derive(Debug, Message)]
#[rtype(result = "usize")]
pub struct RemoteEvents(pub Vec<RemoteEvent>);

/// The members of these topics may have missed something that cannot be sent any more: end their sockets, so that their
/// clients come back and look.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CutOff(pub HashSet<Topic>);

/// Begin a generation of what is remembered as delivered. `keep`: how many are kept; `None`: as many as there is room for.
/// Says whether some had to be forgotten for want of room.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct RotateDedup {
    /// Generations.
    pub keep: Option<usize>,
}

/// What a registry that has neighbours knows beyond its members.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) publisher: Arc<dyn ClusterPublisher>,
    pub(super) seen: DedupWindow,
}

impl Remote {
    pub(super) fn new(publisher: Arc<dyn ClusterPublisher>) -> Self {
        Self {
            publisher,
            seen: DedupWindow::new(MAX_DEDUP_KEYS),
        }
    }

    /// Notes an event that came live; `false` when it was delivered before.
    fn is_new(&mut self, event: &ClusterEvent) -> bool {
        let is_new = self.seen.insert(event.key);
        if event.room.owner_hex().is_some() {
            return is_new;
        }
        // The database knows its message as one of its recipient's room, and may have been read already.
        self.seen.insert(event.key.in_room(&event.room))
    }
}

impl RoomRegistry {
    /// Whether events go to other nodes too.
    #[must_use]
    pub const fn has_neighbours(&self) -> bool {
        self.remote.is_some()
    }

    /// Delivers an event of this node here, and hands it to the others.
    pub fn publish_everywhere(&mut self, event: ClusterEvent) {
        if !self.delivers(&event.room, event.event.len()) {
            return;
        }
        let Some(remote) = &mut self.remote else {
            return;
        };
        // It may have been read from the database before this notice of it came.
        let is_new = remote.is_new(&event);
        remote.publisher.publish(event.clone());
        if is_new {
            self.publish(&event.room, || event.event);
        }
    }
}

impl Handler<RemoteEvents> for RoomRegistry {
    type Result = usize;

    fn handle(&mut self, RemoteEvents(events): RemoteEvents, _ctx: &mut Self::Context) -> usize {
        let mut delivered = 0;
        for RemoteEvent {
            event,
            is_caught_up,
        } in events
        {
            if !self.delivers(&event.room, event.event.len()) {
                continue;
            }
            let Some(remote) = &mut self.remote else {
                return delivered;
            };
            let is_new = if is_caught_up {
                remote.seen.insert_caught_up(event.key)
            } else {
                remote.is_new(&event)
            };
            if is_new {
                delivered += 1;
                telemetry::within(event.trace, || {
                    self.publish_stored(&event.room, event.id, || event.event);
                });
            }
        }
        delivered
    }
}

impl Handler<CutOff> for RoomRegistry {
    type Result = ();

    fn handle(&mut self, CutOff(topics): CutOff, _ctx: &mut Self::Context) {
        for sid in self.members_of(&topics) {
            self.cut_off(sid);
        }
    }
}

impl Handler<RotateDedup> for RoomRegistry {
    type Result = bool;

    fn handle(&mut self, RotateDedup { keep }: RotateDedup, _ctx: &mut Self::Context) -> bool {
        let remote = self.remote.as_mut();
        remote.is_some_and(|remote| remote.seen.rotate(keep))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::RoomSettings;

    #[derive(Debug)]
    struct Nowhere;

    impl ClusterPublisher for Nowhere {
        fn interest(&self, _: TopicChange, _: i64) {}

        fn publish(&self, _: ClusterEvent) {}

        fn latest_watermark(&self) -> i64 {
            0
        }
    }

    /// What is read from the database for its recipient is another event than the one of the lobby.
    #[actix::test]
    async fn a_message_to_a_room_of_nobody_is_delivered_there_though_its_recipients_room_was_read()
    {
        let registry = RoomRegistry::new(RoomSettings::default());
        let registry = registry.with_cluster(Arc::new(Nowhere)).start();
        let own = RoomId::new(format!("{}-default", "02".repeat(33)));
        let lobby = RoomId::new("lobby");
        let mut delivered = Vec::new();
        for (n, room, is_caught_up) in [
            (1, &own, true),
            (1, &lobby, false),
            (1, &lobby, false),
            (1, &RoomId::new("hall"), false),
            (2, &lobby, false),
            (2, &own, true),
            (3, &own, false),
            (3, &own, true),
        ] {
            let event = ClusterEvent {
                room: room.clone(),
                key: EventKey::from_bytes([n; EventKey::LEN]),
                id: None,
                trace: None,
                event: Bytes::new(),
            };
            let event = RemoteEvent {
                event,
                is_caught_up,
            };
            delivered.push(registry.send(RemoteEvents(vec![event])).await.unwrap());
        }
        assert_eq!(delivered, [1, 1, 0, 1, 1, 0, 1, 0]);
    }
}
