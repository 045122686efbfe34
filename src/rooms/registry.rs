//! The actor that knows the rooms and fans events out to their members.

mod deferred;
mod hot_rooms;
pub(super) mod inspection;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use bytes::Bytes;

use crate::auth::SharedPayload;
use crate::events::{MAX_EVENT_BYTES, is_live_room};
use crate::ids::{IdentityKey, RoomId, Sid};
use crate::limits::OutboundMemory;
use crate::panics;

use super::backlog::Backlog;
use super::commands::{GetRoomsStatus, RemoveMember, SlowConsumer, LeaveRoom, Publish, RoomsStatus};
use deferred::Deferred;
use super::handle::RoomSettings;
use hot_rooms::HotRooms;
use super::membership::Membership;
use super::worker_fanout::{Broadcast, WorkerFanout};
use super::cluster_events::{ClusterPublisher, Remote};
use super::topic::Topic;

/// Take this member in.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct AddMember {
    pub(super) sid: Sid,
    pub(super) identity: IdentityKey,
    /// Where its events go: the relay of its worker.
    pub(super) relay: Addr<WorkerFanout>,
    pub(super) slow_consumer: Recipient<SlowConsumer>,
    pub(super) backlog: Backlog,
    /// Messages up to this id were stored before it came.
    pub(super) mark: i64,
}

/// This member joins a room; whether it may has been decided.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct JoinRoom {
    pub(super) sid: Sid,
    pub(super) room: RoomId,
    /// Messages up to this id were stored before it did.
    pub(super) mark: i64,
}

/// A member's events.
#[derive(Debug)]
struct Outlet {
    /// Index of its worker.
    worker: usize,
    slow_consumer: Recipient<SlowConsumer>,
    backlog: Backlog,
    is_lagging: bool,
    /// Messages up to this id were stored before it came.
    joined_after: i64,
}

/// A thread that has members.
#[derive(Debug)]
struct Worker {
    relay: Addr<WorkerFanout>,
    /// Those of the event that is being published.
    members: Vec<Sid>,
}

/// The registry; runs on an arbiter of its own.
#[derive(Debug)]
pub struct RoomRegistry {
    settings: RoomSettings,
    pub(super) membership: Membership,
    outlets: HashMap<Sid, Outlet>,
    /// As many as the server has threads; they stay.
    workers: Vec<Worker>,
    /// Makes a room's lane of its id.
    lanes: RandomState,
    status: RoomsStatus,
    pub(super) hot: HotRooms,
    /// None where this is the only node.
    pub(super) remote: Option<Remote>,
    /// The memory of what waits for sockets.
    pub(super) outbound: OutboundMemory,
    pub(super) deferred: Deferred,
}

impl RoomRegistry {
    /// A registry without members.
    #[must_use]
    pub fn new(settings: RoomSettings) -> Self {
        let settings = RoomSettings {
            max_event_bytes: settings.max_event_bytes.min(MAX_EVENT_BYTES),
            ..settings
        };
        Self {
            membership: Membership::new(settings.max_rooms_per_socket),
            outlets: HashMap::new(),
            workers: Vec::new(),
            lanes: RandomState::new(),
            status: RoomsStatus::default(),
            hot: HotRooms::default(),
            settings,
            remote: None,
            outbound: OutboundMemory::default(),
            deferred: Deferred::default(),
        }
    }

    /// Counts events in this memory until the last of their members has them.
    #[must_use]
    pub fn with_outbound(self, outbound: OutboundMemory) -> Self {
        Self { outbound, ..self }
    }

    /// The same, one of several nodes.
    #[must_use]
    pub fn with_cluster(mut self, publisher: Arc<dyn ClusterPublisher>) -> Self {
        self.membership = self.membership.with_interest();
        self.remote = Some(Remote::new(publisher));
        self
    }

    /// Whether an event of so many bytes is delivered in this room. One that is larger is counted, and found by listing: in
    /// a frame each of its bytes takes up to four, and a member has only so much room for what it has not read. An event
    /// of a room whose name clients cannot read would cut its members off.
    pub fn delivers(&mut self, room: &RoomId, bytes: usize) -> bool {
        let fits = bytes <= self.settings.max_event_bytes && is_live_room(room.as_str());
        if !fits {
            self.status.too_large += 1;
            log::debug!("an event of {bytes} bytes is not delivered: no client could read it");
        }
        fits
    }

    /// Delivers an event to the members of a room. It is made only if there are any.
    pub fn publish(&mut self, room: &RoomId, make: impl FnOnce() -> Bytes) {
        self.publish_stored(room, None, make);
    }

    /// The same for the message with this id, if any: not to members that came after it was stored.
    pub(super) fn publish_stored(
        &mut self,
        room: &RoomId,
        id: Option<i64>,
        make: impl FnOnce() -> Bytes,
    ) {
        let max = self.settings.max_event_bytes;
        let make = || {
            let event = make();
            (event.len() <= max).then(|| SharedPayload::new(event))
        };
        self.contained(room, id, make);
    }

    /// A member whose place panics loses it, and nobody else anything.
    fn contained(
        &mut self,
        room: &RoomId,
        id: Option<i64>,
        make: impl FnOnce() -> Option<SharedPayload>,
    ) {
        if panics::contain("RoomRegistry", || self.fan_out(room, id, make)).is_some() {
            return;
        }
        // Whoever was collected is no member of the next event's room, perhaps.
        for worker in &mut self.workers {
            worker.members.clear();
        }
        let missed: Vec<Sid> = self.membership.members(room).collect();
        for sid in missed {
            self.cut_off(sid);
        }
    }

    /// Handles a command about one member, which was given at this mark. If that panics, nobody knows what the member belongs
    /// to: it begins anew.
    fn guarded(&mut self, sid: Sid, mark: i64, act: impl FnOnce(&mut Self)) {
        if panics::contain("RoomRegistry", || act(self)).is_none() {
            self.cut_off(sid);
        }
        self.tell_interest(mark);
    }

    /// Tells the other nodes' side what is wanted of them, behind this mark.
    fn tell_interest(&mut self, mark: i64) {
        if let Some(remote) = &self.remote {
            for change in self.membership.take_changes() {
                remote.publisher.interest(change, mark);
            }
        }
    }

    /// For commands by which nothing more is wanted.
    fn latest_watermark(&self) -> i64 {
        let remote = self.remote.as_ref();
        remote.map_or(i64::MIN, |remote| remote.publisher.latest_watermark())
    }

    /// The members of all rooms of these topics.
    pub(super) fn members_of(&self, topics: &HashSet<Topic>) -> Vec<Sid> {
        self.membership.members_of(topics).collect()
    }

    /// Forgets a member and ends its socket: its client comes back, and looks what it has missed.
    pub(super) fn cut_off(&mut self, sid: Sid) {
        let _ = panics::contain("RoomRegistry", || self.membership.remove(sid));
        if let Some(outlet) = self.outlets.remove(&sid) {
            outlet.lagging.do_send(SlowConsumer);
        }
        self.tell_interest(self.latest_watermark());
    }

    fn fan_out(
        &mut self,
        room: &RoomId,
        id: Option<i64>,
        make: impl FnOnce() -> Option<SharedPayload>,
    ) {
        let mut members = self.membership.members(room).peekable();
        if members.peek().is_none() || !is_live_room(room.as_str()) {
            return;
        }
        let Some(payload) = make() else {
            self.status.too_large += 1;
            return;
        };
        self.status.published += 1;
        self.hot.count(room, Instant::now());
        for sid in members {
            let Some(outlet) = self.outlets.get_mut(&sid) else {
                continue;
            };
            if outlet.is_lagging || id.is_some_and(|id| id <= outlet.joined_after) {
                continue;
            }
            #[cfg(test)]
            if !self.workers.iter().all(|worker| worker.members.is_empty()) {
                panics::injection::strike("RoomRegistry fan-out");
            }
            if outlet.backlog.begin() {
                if let Some(worker) = self.workers.get_mut(outlet.worker) {
                    worker.members.push(sid);
                }
                self.status.deliveries += 1;
            } else {
                // Once: it is about to end, and nothing more is kept for it.
                outlet.is_lagging = true;
                outlet.lagging.do_send(SlowConsumer);
                self.status.lagging += 1;
            }
        }
        // Counted only where it is said.
        log::debug!(
            "an event is passed on to {} members",
            self.workers
                .iter()
                .map(|worker| worker.members.len())
                .sum::<usize>()
        );
        // Rooms that happen to share a lane wait for each other; nothing else comes of it.
        let lane = self.lanes.hash_one(room);
        for worker in &mut self.workers {
            if !worker.members.is_empty() {
                worker.relay.do_send(Broadcast {
                    lane,
                    payload: payload.copied().held_by(|bytes| self.outbound.count(bytes)),
                    members: std::mem::take(&mut worker.members),
                });
            }
        }
    }

    /// Events on their way to a member.
    pub(super) fn pending(&self, sid: Sid) -> usize {
        self.outlets
            .get(&sid)
            .map_or(0, |outlet| outlet.backlog.len())
    }

    /// The index of the worker that has this relay.
    fn worker(&mut self, relay: Addr<WorkerFanout>) -> usize {
        let known = self.workers.iter().position(|known| known.relay == relay);
        known.unwrap_or_else(|| {
            self.workers.push(Worker {
                relay,
                members: Vec::new(),
            });
            self.workers.len() - 1
        })
    }
}

impl Actor for RoomRegistry {
    type Context = Context<Self>;
}

impl Handler<AddMember> for RoomRegistry {
    type Result = ();

    fn handle(&mut self, member: AddMember, _ctx: &mut Self::Context) {
        let worker = self.worker(member.relay);
        // First: a member that is cut off must be told.
        self.outlets.entry(member.sid).or_insert(Outlet {
            worker,
            slow_consumer: member.lagging,
            backlog: member.backlog,
            is_lagging: false,
            joined_after: member.mark,
        });
        self.guarded(member.sid, member.mark, |registry| {
            let auto_join = registry.settings.auto_join;
            registry
                .membership
                .admit(member.sid, &member.identity, auto_join);
        });
    }
}

impl Handler<JoinRoom> for RoomRegistry {
    type Result = ();

    fn handle(&mut self, JoinRoom { sid, room, mark }: JoinRoom, _ctx: &mut Self::Context) {
        self.guarded(sid, mark, |registry| {
            #[cfg(test)]
            panics::injection::strike("RoomRegistry join");
            if !registry.membership.join(sid, room) {
                log::debug!("socket {sid} joins a room no more");
            }
        });
    }
}

impl Handler<LeaveRoom> for RoomRegistry {
    type Result = ();

    fn handle(&mut self, leave: LeaveRoom, _ctx: &mut Self::Context) {
        self.guarded(leave.sid, self.latest_watermark(), |registry| {
            registry.membership.leave(leave.sid, &leave.room);
        });
    }
}

impl Handler<RemoveMember> for RoomRegistry {
    type Result = ();

    fn handle(&mut self, gone: RemoveMember, _ctx: &mut Self::Context) {
        self.guarded(gone.sid, self.latest_watermark(), |registry| {
            registry.membership.remove(gone.sid);
        });
        self.outlets.remove(&gone.sid);
    }
}

impl Handler<Publish> for RoomRegistry {
    type Result = ();

    fn handle(&mut self, publish: Publish, _ctx: &mut Self::Context) {
        self.contained(&publish.room, None, || Some(publish.payload));
    }
}

impl Handler<GetRoomsStatus> for RoomRegistry {
    type Result = RoomsStatus;

    fn handle(&mut self, _: GetRoomsStatus, _ctx: &mut Self::Context) -> RoomsStatus {
        RoomsStatus {
            rooms: self.membership.room_count(),
            members: self.membership.member_count(),
            ..self.status
        }
    }
}

#[cfg(test)]
mod tests {
    mod model;

    use super::*;
    use crate::auth::Identity;
    use crate::rooms::{Admit, Deliver, Join, RoomAccess, RoomsHandle};

    /// Keeps what it is sent; handles nothing until it is let go.
    struct Recorder {
        delivered: tokio::sync::mpsc::UnboundedSender<String>,
        keep: bool,
        kept: Vec<Deliver>,
    }

    impl Actor for Recorder {
        type Context = Context<Self>;
    }

    impl Handler<Deliver> for Recorder {
        type Result = ();

        fn handle(&mut self, deliver: Deliver, _ctx: &mut Self::Context) {
            for payload in &*deliver.payloads {
                let text = String::from_utf8(payload.bytes().to_vec()).unwrap();
                self.delivered.send(text).unwrap();
            }
            if self.keep {
                self.kept.push(deliver);
            }
        }
    }

    impl Handler<SlowConsumer> for Recorder {
        type Result = ();

        fn handle(&mut self, _: SlowConsumer, _ctx: &mut Self::Context) {
            self.delivered.send("lagging".to_owned()).unwrap();
        }
    }

    type Inbox = tokio::sync::mpsc::UnboundedReceiver<String>;

    fn rooms() -> RoomsHandle {
        RoomsHandle::start(RoomSettings {
            auto_join: true,
            access: RoomAccess::Owner,
            max_rooms_per_socket: 9,
            max_pending_deliveries: 3,
            max_event_bytes: 1_000,
        })
    }

    fn member(rooms: &RoomsHandle, sid: u8, identity: IdentityKey, keep: bool) -> Inbox {
        let (delivered, inbox) = tokio::sync::mpsc::unbounded_channel();
        let recorder = Recorder {
            delivered,
            keep,
            kept: Vec::new(),
        }
        .start();
        rooms.admit(Admit {
            sid: Sid::from_random([sid; 15]),
            identity,
            deliver: recorder.clone().recipient(),
            slow_consumer: recorder.recipient(),
        });
        inbox
    }

    fn publish(rooms: &RoomsHandle, room: &RoomId, text: &str) {
        let payload = SharedPayload::new(text.as_bytes().to_vec());
        rooms.publish(Publish {
            room: room.clone(),
            payload,
        });
    }

    #[actix::test]
    async fn events_reach_members_in_order_and_nobody_else() {
        let rooms = rooms();
        let (own, other) = (
            Identity::random().identity_key(),
            Identity::random().identity_key(),
        );
        let mut first = member(&rooms, 1, own, false);
        let mut second = member(&rooms, 2, own, false);
        let mut stranger = member(&rooms, 3, other, false);
        let room = RoomId::of(&own, "inbox");
        for text in ["1", "2"] {
            publish(&rooms, &room, text);
        }
        for inbox in [&mut first, &mut second] {
            assert_eq!(inbox.recv().await.unwrap(), "1");
            assert_eq!(inbox.recv().await.unwrap(), "2");
        }
        publish(&rooms, &RoomId::of(&other, "inbox"), "theirs");
        assert_eq!(stranger.recv().await.unwrap(), "theirs");
        let status = rooms.status().await.unwrap();
        assert_eq!((status.published, status.deliveries), (3, 5));
    }

    /// One such event would make its members disconnect for good.
    #[actix::test]
    async fn nothing_is_delivered_in_a_room_whose_name_clients_cannot_read() {
        let rooms = rooms();
        let own = Identity::random().identity_key();
        let mut inbox = member(&rooms, 1, own, false);
        for message_box in [&*"x".repeat(178), "a\u{1}", "\u{202e}rtl"] {
            let room = RoomId::of(&own, message_box);
            publish(&rooms, &room, "unreadable");
        }
        publish(&rooms, &RoomId::of(&own, &"x".repeat(128)), "readable");
        assert_eq!(inbox.recv().await.unwrap(), "readable");
    }

    #[test]
    fn no_event_is_larger_than_clients_read_whatever_is_set() {
        let mut registry = RoomRegistry::new(RoomSettings {
            max_event_bytes: usize::MAX,
            ..RoomSettings::default()
        });
        let room = RoomId::new("lobby");
        assert!(registry.delivers(&room, 1_048_576) && !registry.delivers(&room, 1_048_577));
    }

    #[actix::test]
    async fn a_room_without_members_costs_no_encoding() {
        let rooms = rooms();
        let own = Identity::random().identity_key();
        let mut inbox = member(&rooms, 1, own, false);
        let room = RoomId::of(&own, "inbox");
        rooms.leave(LeaveRoom {
            sid: Sid::from_random([1; 15]),
            room: room.clone(),
        });
        publish(&rooms, &room, "unheard");
        assert_eq!(rooms.status().await.unwrap().published, 0);
        rooms.gone(RemoveMember {
            sid: Sid::from_random([1; 15]),
        });
        publish(&rooms, &RoomId::of(&own, "other"), "unheard");
        let status = rooms.status().await.unwrap();
        assert_eq!((status.published, status.members, status.rooms), (0, 0, 0));
        assert!(inbox.try_recv().is_err());
    }

    #[actix::test]
    async fn a_member_that_lags_is_told_once_and_holds_nobody_up() {
        let rooms = rooms();
        let own = Identity::random().identity_key();
        let mut slow = member(&rooms, 1, own, true);
        let mut quick = member(&rooms, 2, own, false);
        let room = RoomId::of(&own, "inbox");
        for n in 0..6 {
            publish(&rooms, &room, &n.to_string());
            assert_eq!(quick.recv().await.unwrap(), n.to_string());
        }
        let mut received = Vec::new();
        while received.last().is_none_or(|last| last != "lagging") {
            received.push(slow.recv().await.unwrap());
        }
        assert_eq!(received, ["0", "1", "2", "lagging"]);
        assert_eq!(rooms.status().await.unwrap().lagging, 1);
    }

    /// Makes the registry panic: its thread is its own.
    #[derive(Message)]
    #[rtype(result = "()")]
    struct Arm(&'static str);

    impl Handler<Arm> for RoomRegistry {
        type Result = ();

        fn handle(&mut self, Arm(name): Arm, _ctx: &mut Self::Context) {
            panics::injection::arm(name);
        }
    }

    #[actix::test]
    async fn a_panic_cuts_off_whom_it_is_about_and_the_registry_lives_on() {
        let rooms = rooms();
        let own = Identity::random().identity_key();
        let (room, other) = (RoomId::of(&own, "inbox"), RoomId::new("open"));
        let mut joining = member(&rooms, 1, own, false);
        let mut staying = member(&rooms, 2, own, false);
        rooms.registry().do_send(Arm("RoomRegistry join"));
        rooms.join(Join {
            sid: Sid::from_random([1; 15]),
            room: other.clone(),
        });
        assert_eq!(joining.recv().await.unwrap(), "lagging");
        publish(&rooms, &room, "1");
        assert_eq!(staying.recv().await.unwrap(), "1");
        assert_eq!(rooms.status().await.unwrap().members, 1);
        // It comes back, and is a member as before.
        let mut back = member(&rooms, 3, own, false);
        publish(&rooms, &room, "2");
        assert_eq!(back.recv().await.unwrap(), "2");
    }

    #[actix::test]
    async fn who_misses_an_event_is_cut_off_and_nobody_gets_what_is_not_his() {
        let rooms = rooms();
        let (own, other) = (
            Identity::random().identity_key(),
            Identity::random().identity_key(),
        );
        let mut missing = [1, 2].map(|sid| member(&rooms, sid, own, false));
        let mut stranger = member(&rooms, 3, other, false);
        rooms.registry().do_send(Arm("RoomRegistry fan-out"));
        publish(&rooms, &RoomId::of(&own, "inbox"), "secret");
        publish(&rooms, &RoomId::of(&other, "inbox"), "theirs");
        assert_eq!(stranger.recv().await.unwrap(), "theirs");
        for inbox in &mut missing {
            assert_eq!(inbox.recv().await.unwrap(), "lagging");
        }
        assert_eq!(rooms.status().await.unwrap().members, 1);
        assert!(stranger.try_recv().is_err());
        assert!(missing.iter_mut().all(|inbox| inbox.try_recv().is_err()));
    }
}
