//! The way to the registry for everybody else.

use std::sync::Arc;

use actix::prelude::*;

use crate::limits::OutboundMemory;

use super::settings::RoomAccess;
use super::backlog::Backlog;
use super::commands::{Admit, GetRoomsStatus, RemoveMember, Join, LeaveRoom, Publish, RoomsStatus};
use super::registry::{AddMember, JoinRoom, RoomRegistry};
use super::worker_fanout::{AttachMember, DetachMember, WorkerFanout};
use super::cluster_events::ClusterPublisher;

/// Rules and bounds of rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomSettings {
    /// Whether an authenticated socket is a member of every room of its own identity.
    pub auto_join: bool,
    /// Who may join which room.
    pub access: RoomAccess,
    /// Rooms that one socket may join by asking.
    pub max_rooms_per_socket: usize,
    /// Events that may be under way to one socket.
    pub max_pending_deliveries: usize,
    /// Bytes of an event; larger ones are not delivered.
    pub max_event_bytes: usize,
}

impl Default for RoomSettings {
    fn default() -> Self {
        Self {
            auto_join: true,
            access: RoomAccess::Owner,
            max_rooms_per_socket: 1_000,
            max_pending_deliveries: 10_000,
            max_event_bytes: 1024 * 1024,
        }
    }
}

/// A handle on the rooms; cheap to clone. Commands keep their order.
#[derive(Debug, Clone)]
pub struct RoomsHandle {
    registry: Addr<RoomRegistry>,
    settings: RoomSettings,
    /// None where this is the only node.
    publisher: Option<Arc<dyn ClusterPublisher>>,
}

impl RoomsHandle {
    /// Starts the registry on an arbiter of its own, where a large fan-out holds no socket up.
    #[must_use]
    pub fn start(settings: RoomSettings) -> Self {
        Self::start_with(settings, None, OutboundMemory::default())
    }

    /// The same; `publisher` leads to the other nodes, if there are any, and `outbound` has what waits for members.
    #[must_use]
    pub fn start_with(
        settings: RoomSettings,
        publisher: Option<Arc<dyn ClusterPublisher>>,
        outbound: OutboundMemory,
    ) -> Self {
        let arbiter = Arbiter::new();
        let neighbours = publisher.clone();
        let registry = RoomRegistry::start_in_arbiter(&arbiter.handle(), move |_| {
            let registry = RoomRegistry::new(settings).with_outbound(outbound);
            match neighbours {
                Some(publisher) => registry.with_cluster(publisher),
                None => registry,
            }
        });
        Self {
            registry,
            settings,
            publisher,
        }
    }

    /// The rules.
    #[must_use]
    pub const fn settings(&self) -> &RoomSettings {
        &self.settings
    }

    /// The registry, for the notices of others.
    #[must_use]
    pub const fn registry(&self) -> &Addr<RoomRegistry> {
        &self.registry
    }

    /// Takes a member in. Must be called on the member's own thread.
    pub fn admit(&self, command: Admit) {
        let Admit {
            sid,
            identity,
            deliver,
            lagging,
        } = command;
        let backlog = Backlog::new(self.settings.max_pending_deliveries);
        let relay = WorkerFanout::from_registry();
        // First: the registry's first event for this member must find it there.
        relay.do_send(AttachMember {
            sid,
            deliver,
            lagging: lagging.clone(),
            arrivals: backlog.arrivals(),
        });
        self.registry.do_send(AddMember {
            sid,
            identity,
            relay,
            lagging,
            backlog,
            mark: self.mark(),
        });
    }

    /// Makes a member join a room.
    pub fn join(&self, command: Join) {
        let Join { sid, room } = command;
        let mark = self.mark();
        self.registry.do_send(JoinRoom { sid, room, mark });
    }

    /// A message id at or below all those that are stored from now on. Read before a client is told anything: what is stored
    /// when it has looked is sent to it, however late the registry gets to it.
    fn mark(&self) -> i64 {
        let publisher = self.publisher.as_ref();
        publisher.map_or(i64::MIN, |publisher| publisher.latest_watermark())
    }

    /// Makes a member leave a room.
    pub fn leave(&self, command: LeaveRoom) {
        self.registry.do_send(command);
    }

    /// Forgets a member. Must be called on the member's own thread.
    pub fn gone(&self, command: RemoveMember) {
        WorkerFanout::from_registry().do_send(DetachMember { sid: command.sid });
        self.registry.do_send(command);
    }

    /// Delivers an event to a room.
    pub fn publish(&self, command: Publish) {
        self.registry.do_send(command);
    }

    /// Counts; `None` when the registry does not answer.
    pub async fn status(&self) -> Option<RoomsStatus> {
        self.registry.send(GetRoomsStatus).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::sync::{Mutex, mpsc};

    use super::*;
    use crate::auth::Identity;
    use crate::ids::{RoomId, Sid};
    use crate::rooms::{
        Deliver, EventKey, SlowConsumer, ClusterEvent, RemoteEvent, RemoteEvents, Topic, TopicChange,
    };

    /// The other nodes: how far the database has come, and what is wanted of them.
    #[derive(Debug, Default)]
    struct Others {
        latest: AtomicI64,
        wanted: Mutex<Vec<(TopicChange, i64)>>,
    }

    impl ClusterPublisher for Others {
        fn interest(&self, change: TopicChange, since: i64) {
            self.wanted.lock().unwrap().push((change, since));
        }

        fn publish(&self, _: ClusterEvent) {}

        fn latest_watermark(&self) -> i64 {
            self.latest.load(Ordering::Acquire)
        }
    }

    struct Member(tokio::sync::mpsc::UnboundedSender<Vec<u8>>);

    impl Actor for Member {
        type Context = Context<Self>;
    }

    impl Handler<Deliver> for Member {
        type Result = ();

        fn handle(&mut self, deliver: Deliver, _ctx: &mut Self::Context) {
            for payload in &*deliver.payloads {
                self.0.send(payload.bytes().to_vec()).unwrap();
            }
        }
    }

    impl Handler<SlowConsumer> for Member {
        type Result = ();

        fn handle(&mut self, _: SlowConsumer, _ctx: &mut Self::Context) {}
    }

    /// Holds the registry up until there is something to receive.
    #[derive(Message)]
    #[rtype(result = "()")]
    struct Busy(mpsc::Receiver<()>);

    impl Handler<Busy> for RoomRegistry {
        type Result = ();

        fn handle(&mut self, Busy(go_on): Busy, _ctx: &mut Self::Context) {
            go_on.recv().unwrap();
        }
    }

    #[actix::test]
    async fn a_member_gets_what_was_stored_after_it_came_however_late_the_registry_is() {
        let others = Arc::new(Others::default());
        let publisher = Arc::clone(&others) as Arc<dyn ClusterPublisher>;
        let rooms = RoomsHandle::start_with(
            RoomSettings::default(),
            Some(publisher),
            OutboundMemory::default(),
        );
        let (go_on, busy) = mpsc::channel();
        rooms.registry().do_send(Busy(busy));
        others.latest.store(5, Ordering::Release);
        let (sid, identity) = (Sid::random(), Identity::random().identity_key());
        let (delivered, mut inbox) = tokio::sync::mpsc::unbounded_channel();
        let member = Member(delivered).start();
        rooms.admit(Admit {
            sid,
            identity,
            deliver: member.clone().recipient(),
            slow_consumer: member.recipient(),
        });
        others.latest.store(7, Ordering::Release);
        let lobby = RoomId::new("lobby");
        let join = Join {
            sid,
            room: lobby.clone(),
        };
        rooms.join(join);
        others.latest.store(9, Ordering::Release);
        go_on.send(()).unwrap();
        let room = RoomId::of(&identity, "inbox");
        let event = |id: u8| RemoteEvent {
            event: ClusterEvent {
                room: room.clone(),
                key: EventKey::from_bytes([id; EventKey::LEN]),
                id: Some(id.into()),
                trace: None,
                event: vec![id].into(),
            },
            is_caught_up: false,
        };
        let events = RemoteEvents([5, 6, 10].map(event).into());
        rooms.registry().send(events).await.unwrap();
        for expected in [6, 10] {
            assert_eq!(inbox.recv().await.unwrap(), [expected]);
        }
        let wanted = [(Topic::of(&room), 5), (Topic::of(&lobby), 7)];
        let wanted = wanted.map(|(topic, since)| (TopicChange::Wanted(topic), since));
        assert_eq!(*others.wanted.lock().unwrap(), wanted);
    }
}
