//! Handles on the registry: one for the server, and one for each member.

use std::sync::Arc;

use actix::prelude::*;

use crate::events::Refusal;
use crate::ids::{IdentityKey, RoomId, Sid};
use crate::limits::OutboundMemory;

use super::backlog::Backlog;
use super::cluster_events::{ClusterPublisher, watermark};
use super::commands::{Admit, GetRoomsStatus, Publish, RoomsStatus};
use super::membership::RoomChoices;
use super::registry::{AddMember, JoinRoom, LeaveRoom, RemoveMember, RoomRegistry};
use super::settings::RoomSettings;
use super::worker_fanout::{AttachMember, DetachMember, WorkerFanout};

/// A handle on the rooms; cheap to clone. The registry handles commands in the order of the calls.
#[derive(Debug, Clone)]
pub struct RoomsHandle {
    registry: Addr<RoomRegistry>,
    settings: RoomSettings,
    /// `None` on a single node.
    publisher: Option<Arc<dyn ClusterPublisher>>,
}

impl RoomsHandle {
    /// Starts the registry on its own arbiter, so that a large fan-out delays no socket.
    pub fn start(settings: RoomSettings) -> Self {
        Self::start_with(settings, None, OutboundMemory::default())
    }

    /// Starts the registry in a cluster, if there is a publisher. `outbound` counts the events that wait for members.
    pub fn start_with(
        settings: RoomSettings,
        publisher: Option<Arc<dyn ClusterPublisher>>,
        outbound: OutboundMemory,
    ) -> Self {
        let in_cluster = publisher.clone();
        let registry = RoomRegistry::start_in_arbiter(&Arbiter::new().handle(), move |_| {
            let registry = RoomRegistry::new(settings).with_outbound(outbound);
            match in_cluster {
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

    /// The rules and bounds of rooms.
    pub const fn settings(&self) -> &RoomSettings {
        &self.settings
    }

    /// The registry's address, for messages of other layers.
    pub const fn registry(&self) -> &Addr<RoomRegistry> {
        &self.registry
    }

    /// Makes a socket a member. Must be called on the socket's thread.
    pub fn admit(&self, admit: Admit) -> Member {
        let Admit {
            sid,
            identity,
            deliver,
            slow_consumer,
        } = admit;
        let backlog = Backlog::new(self.settings.max_pending_deliveries);
        let fanout = WorkerFanout::from_registry();
        // First: the registry's first event for this member must find it there.
        fanout.do_send(AttachMember {
            sid,
            deliver,
            slow_consumer: slow_consumer.clone(),
            arrivals: backlog.arrivals(),
        });
        self.registry.do_send(AddMember {
            sid,
            identity,
            fanout: fanout.clone(),
            slow_consumer,
            backlog,
            watermark: self.watermark(),
        });
        Member {
            sid,
            identity,
            choices: RoomChoices::default(),
            rooms: self.clone(),
            fanout,
        }
    }

    /// A message id at or below those of all messages that are stored from now on.
    ///
    /// Read before the client gets its answer. A message stored after that answer reaches the client, even if the registry
    /// handles the command late.
    fn watermark(&self) -> i64 {
        watermark(self.publisher.as_ref())
    }

    /// Publishes an event to a room.
    pub fn publish(&self, publish: Publish) {
        self.registry.do_send(publish);
    }

    /// The registry's counts; `None` if it does not answer.
    pub async fn status(&self) -> Option<RoomsStatus> {
        self.registry.send(GetRoomsStatus).await.ok()
    }
}

/// One socket's membership: decides which rooms the socket may join or leave, and tells the registry.
#[derive(Debug)]
pub struct Member {
    sid: Sid,
    identity: IdentityKey,
    choices: RoomChoices,
    rooms: RoomsHandle,
    fanout: Addr<WorkerFanout>,
}

impl Member {
    /// Joins a room, if the rules allow it.
    ///
    /// # Errors
    /// [`Refusal`] if the rules or the limit forbid it: then nothing changes.
    pub fn join(&mut self, room: &RoomId) -> Result<(), Refusal> {
        let settings = &self.rooms.settings;
        if settings.access.is_malformed(room) {
            return Err(Refusal::RoomId);
        }
        if !settings.access.admits(&self.identity, room) {
            return Err(Refusal::ForeignRoom);
        }
        if !self.choices.join(room, settings.max_rooms_per_socket) {
            return Err(Refusal::TooManyRooms);
        }
        self.rooms.registry.do_send(JoinRoom {
            sid: self.sid,
            room: room.clone(),
            watermark: self.rooms.watermark(),
        });
        Ok(())
    }

    /// Leaves a room. A room of the member's own identity must be remembered, so the number of those is limited.
    ///
    /// # Errors
    /// [`Refusal::TooManyRooms`]: then nothing changes.
    pub fn leave(&mut self, room: &RoomId) -> Result<(), Refusal> {
        let owns = room.owner_hex() == Some(&*self.identity.to_hex());
        let max = self.rooms.settings.max_rooms_per_socket;
        if !self.choices.leave(room, owns, max) {
            return Err(Refusal::TooManyRooms);
        }
        self.rooms.registry.do_send(LeaveRoom {
            sid: self.sid,
            room: room.clone(),
        });
        Ok(())
    }

    /// Ends the membership in all rooms.
    pub fn remove(self) {
        self.fanout.do_send(DetachMember { sid: self.sid });
        self.rooms.registry.do_send(RemoveMember { sid: self.sid });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::sync::{Mutex, mpsc};

    use super::*;
    use crate::auth::Identity;
    use crate::rooms::{
        ClusterEvent, Deliver, EventKey, RemoteEvent, RemoteEvents, RoomAccess, SlowConsumer,
        Topic, TopicChange,
    };

    /// Stands in for the other nodes: sets the watermark and records the topics.
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

        fn watermark(&self) -> i64 {
            self.latest.load(Ordering::Acquire)
        }
    }

    struct Inbox(tokio::sync::mpsc::UnboundedSender<Vec<u8>>);

    impl Actor for Inbox {
        type Context = Context<Self>;
    }

    impl Handler<Deliver> for Inbox {
        type Result = ();

        fn handle(&mut self, deliver: Deliver, _ctx: &mut Self::Context) {
            for payload in &*deliver.payloads {
                self.0.send(payload.bytes().to_vec()).unwrap();
            }
        }
    }

    impl Handler<SlowConsumer> for Inbox {
        type Result = ();

        fn handle(&mut self, _: SlowConsumer, _ctx: &mut Self::Context) {}
    }

    /// Blocks the registry until there is something to receive.
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
        let settings = RoomSettings {
            access: RoomAccess::Open,
            ..RoomSettings::default()
        };
        let rooms = RoomsHandle::start_with(settings, Some(publisher), OutboundMemory::default());
        let (go_on, busy) = mpsc::channel();
        rooms.registry().do_send(Busy(busy));
        others.latest.store(5, Ordering::Release);
        let (sid, identity) = (Sid::random(), Identity::random().identity_key());
        let (delivered, mut inbox) = tokio::sync::mpsc::unbounded_channel();
        let inbox_actor = Inbox(delivered).start();
        let mut member = rooms.admit(Admit {
            sid,
            identity,
            deliver: inbox_actor.clone().recipient(),
            slow_consumer: inbox_actor.recipient(),
        });
        others.latest.store(7, Ordering::Release);
        let lobby = RoomId::new("lobby");
        member.join(&lobby).unwrap();
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
