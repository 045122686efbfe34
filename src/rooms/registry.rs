//! The actor that tracks the rooms and sends events to their members.

mod hot_rooms;
pub(super) mod inspection;
mod remote_events;
mod stored_events;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;

use crate::auth::SharedPayload;
use crate::events::{MAX_EVENT_BYTES, is_live_room};
use crate::ids::{IdentityKey, RoomId, Sid};
use crate::limits::OutboundMemory;
use crate::panics;

use super::backlog::Backlog;
use super::cluster_events::{ClusterPublisher, ClusterRooms, watermark};
use super::commands::{GetRoomsStatus, Publish, RoomsStatus, SlowConsumer};
use super::membership::Membership;
use super::settings::RoomSettings;
use super::worker_fanout::{Broadcast, WorkerFanout};

use hot_rooms::HotRooms;
use stored_events::Deferred;

/// Adds a member to the index.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct AddMember {
    pub(super) sid: Sid,
    pub(super) identity: IdentityKey,
    /// The fan-out actor of the member's worker.
    pub(super) fanout: Addr<WorkerFanout>,
    pub(super) slow_consumer: Recipient<SlowConsumer>,
    pub(super) backlog: Backlog,
    /// Messages up to this id were stored before the member came.
    pub(super) watermark: i64,
}

/// A member joins a room. The sender has checked that it may.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct JoinRoom {
    pub(super) sid: Sid,
    pub(super) room: RoomId,
    /// Messages up to this id were stored before the member joined.
    pub(super) watermark: i64,
}

/// A member leaves a room.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct LeaveRoom {
    pub(super) sid: Sid,
    pub(super) room: RoomId,
}

/// A member's socket has ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct RemoveMember {
    pub(super) sid: Sid,
}

/// Where the events of a member go.
#[derive(Debug)]
struct Outlet {
    /// Index of the member's worker.
    worker: usize,
    slow_consumer: Recipient<SlowConsumer>,
    backlog: Backlog,
    is_slow: bool,
    /// Messages up to this id were stored before the member came.
    joined_after: i64,
}

/// A worker thread that has members.
#[derive(Debug)]
struct Worker {
    fanout: Addr<WorkerFanout>,
    /// Its members that get the event being published.
    members: Vec<Sid>,
}

/// The registry. It runs on its own arbiter.
#[derive(Debug)]
pub struct RoomRegistry {
    settings: RoomSettings,
    membership: Membership,
    outlets: HashMap<Sid, Outlet>,
    /// Workers are never removed: there are as many as server threads.
    workers: Vec<Worker>,
    /// Hashes room ids for the queues of [`WorkerFanout`].
    room_hasher: RandomState,
    status: RoomsStatus,
    hot: HotRooms,
    /// `None` on a single node.
    cluster: Option<ClusterRooms>,
    /// Counts the memory of events that wait for sockets.
    outbound: OutboundMemory,
    deferred: Deferred,
}

impl RoomRegistry {
    /// Creates a registry without members.
    pub fn new(settings: RoomSettings) -> Self {
        let settings = RoomSettings {
            max_event_bytes: settings.max_event_bytes.min(MAX_EVENT_BYTES),
            ..settings
        };
        Self {
            membership: Membership::new(settings.max_rooms_per_socket),
            outlets: HashMap::new(),
            workers: Vec::new(),
            room_hasher: RandomState::new(),
            status: RoomsStatus::default(),
            hot: HotRooms::default(),
            settings,
            cluster: None,
            outbound: OutboundMemory::default(),
            deferred: Deferred::default(),
        }
    }

    /// Counts each event in this memory until its last member has received it.
    #[must_use]
    pub fn with_outbound(self, outbound: OutboundMemory) -> Self {
        Self { outbound, ..self }
    }

    /// Makes the registry one of several nodes.
    #[must_use]
    pub fn with_cluster(mut self, publisher: Arc<dyn ClusterPublisher>) -> Self {
        self.membership = self.membership.with_topics();
        self.cluster = Some(ClusterRooms::new(publisher));
        self
    }

    /// Whether a room gets an event; `fits` says whether the event has at most so many bytes.
    ///
    /// A frame takes up to four bytes for each byte of an event, and an outbound buffer is bounded. Clients refuse events
    /// whose names they cannot read, which would disconnect the members. Recipients find the message by listing.
    fn delivers(&mut self, room: &RoomId, fits: impl FnOnce(usize) -> bool) -> bool {
        let delivers = is_live_room(room.as_str()) && fits(self.settings.max_event_bytes);
        if !delivers {
            self.status.too_large += 1;
            log::debug!("an event is not delivered: no client could read it");
        }
        delivers
    }

    /// Sends an event to the members of a room. `make` is called only if there are members. With the `id` of a message,
    /// sockets that were admitted after it was stored are left out.
    ///
    /// If the fan-out panics, the members of the room are disconnected and no other member is affected.
    fn publish(&mut self, room: &RoomId, id: Option<i64>, make: impl FnOnce() -> SharedPayload) {
        if panics::contain("RoomRegistry", || self.fan_out(room, id, make)).is_some() {
            return;
        }
        // The members collected so far may not be members of the next event's room.
        for worker in &mut self.workers {
            worker.members.clear();
        }
        let missed: Vec<Sid> = self.membership.members(room).collect();
        for sid in missed {
            self.cut_off(sid);
        }
    }

    fn fan_out(&mut self, room: &RoomId, id: Option<i64>, make: impl FnOnce() -> SharedPayload) {
        let mut members = self.membership.members(room).peekable();
        if members.peek().is_none() {
            return;
        }
        let payload = make();
        self.status.published += 1;
        self.hot.count(room, Instant::now());
        for sid in members {
            let Some(outlet) = self.outlets.get_mut(&sid) else {
                continue;
            };
            if outlet.is_slow || id.is_some_and(|id| id <= outlet.joined_after) {
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
                // Sent once: the socket is about to close.
                outlet.is_slow = true;
                outlet.slow_consumer.do_send(SlowConsumer);
                self.status.lagging += 1;
            }
        }
        // The sum is computed only if the line is logged.
        log::debug!(
            "an event goes to {} members",
            self.workers
                .iter()
                .map(|worker| worker.members.len())
                .sum::<usize>()
        );
        // Rooms with the same hash share a queue: they wait for each other, nothing else.
        let room_hash = self.room_hasher.hash_one(room);
        for worker in &mut self.workers {
            if !worker.members.is_empty() {
                worker.fanout.do_send(Broadcast {
                    room_hash,
                    payload: payload.copied().held_by(|bytes| self.outbound.count(bytes)),
                    members: std::mem::take(&mut worker.members),
                });
            }
        }
    }

    /// Handles a command about one member, given at this watermark. If it panics, the member's state is unknown: the
    /// member is disconnected.
    fn guarded(&mut self, sid: Sid, watermark: i64, act: impl FnOnce(&mut Self)) {
        if panics::contain("RoomRegistry", || act(self)).is_none() {
            self.cut_off(sid);
        }
        self.publish_interest(watermark);
    }

    /// Tells this node's cluster task which topics gained their first member or lost their last, so that it subscribes or
    /// unsubscribes. New members need messages above this watermark.
    fn publish_interest(&mut self, watermark: i64) {
        if let Some(cluster) = &self.cluster {
            for change in self.membership.take_changes() {
                cluster.publisher.interest(change, watermark);
            }
        }
    }

    /// The current watermark, for commands that add no topic.
    fn watermark(&self) -> i64 {
        watermark(self.cluster.as_ref().map(|cluster| &cluster.publisher))
    }

    /// Removes a member and closes its socket. Its client reconnects and lists what it missed.
    fn cut_off(&mut self, sid: Sid) {
        let _ = panics::contain("RoomRegistry", || self.membership.remove(sid));
        if let Some(outlet) = self.outlets.remove(&sid) {
            outlet.slow_consumer.do_send(SlowConsumer);
        }
        self.publish_interest(self.watermark());
    }

    /// Events that a member has not handled yet.
    fn pending(&self, sid: Sid) -> usize {
        self.outlets
            .get(&sid)
            .map_or(0, |outlet| outlet.backlog.len())
    }

    /// The index of the worker with this fan-out actor.
    fn worker(&mut self, fanout: Addr<WorkerFanout>) -> usize {
        let existing = self.workers.iter().position(|it| it.fanout == fanout);
        existing.unwrap_or_else(|| {
            self.workers.push(Worker {
                fanout,
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
        let worker = self.worker(member.fanout);
        // First, so that a panic below can disconnect the member.
        self.outlets.entry(member.sid).or_insert(Outlet {
            worker,
            slow_consumer: member.slow_consumer,
            backlog: member.backlog,
            is_slow: false,
            joined_after: member.watermark,
        });
        self.guarded(member.sid, member.watermark, |registry| {
            let auto_join = registry.settings.auto_join;
            registry
                .membership
                .admit(member.sid, &member.identity, auto_join);
        });
    }
}

impl Handler<JoinRoom> for RoomRegistry {
    type Result = ();

    fn handle(&mut self, join: JoinRoom, _ctx: &mut Self::Context) {
        self.guarded(join.sid, join.watermark, |registry| {
            #[cfg(test)]
            panics::injection::strike("RoomRegistry join");
            if !registry.membership.join(join.sid, join.room) {
                log::debug!("socket {} is gone or in too many rooms", join.sid);
            }
        });
    }
}

impl Handler<LeaveRoom> for RoomRegistry {
    type Result = ();

    fn handle(&mut self, leave: LeaveRoom, _ctx: &mut Self::Context) {
        self.guarded(leave.sid, self.watermark(), |registry| {
            registry.membership.leave(leave.sid, &leave.room);
        });
    }
}

impl Handler<RemoveMember> for RoomRegistry {
    type Result = ();

    fn handle(&mut self, RemoveMember { sid }: RemoveMember, _ctx: &mut Self::Context) {
        self.guarded(sid, self.watermark(), |registry| {
            registry.membership.remove(sid);
        });
        self.outlets.remove(&sid);
    }
}

impl Handler<Publish> for RoomRegistry {
    type Result = ();

    fn handle(&mut self, Publish { room, payload }: Publish, _ctx: &mut Self::Context) {
        if self.delivers(&room, |max| payload.bytes().len() <= max) {
            self.publish(&room, None, || payload);
        }
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
    use crate::rooms::{Admit, Deliver, RoomAccess, RoomsHandle};

    /// Records deliveries. With `keep`, they stay unhandled.
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

    /// Clients would disconnect at one such event, again after each reconnect.
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
        assert!(registry.delivers(&room, |max| 1_048_576 <= max));
        assert!(!registry.delivers(&room, |max| 1_048_577 <= max));
    }

    #[actix::test]
    async fn a_room_without_members_costs_no_encoding() {
        let rooms = rooms();
        let own = Identity::random().identity_key();
        let mut inbox = member(&rooms, 1, own, false);
        let room = RoomId::of(&own, "inbox");
        rooms.registry().do_send(LeaveRoom {
            sid: Sid::from_random([1; 15]),
            room: room.clone(),
        });
        publish(&rooms, &room, "unheard");
        assert_eq!(rooms.status().await.unwrap().published, 0);
        rooms.registry().do_send(RemoveMember {
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

    /// Arms a panic on the thread of the registry.
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
        rooms.registry().do_send(JoinRoom {
            sid: Sid::from_random([1; 15]),
            room: other.clone(),
            watermark: i64::MIN,
        });
        assert_eq!(joining.recv().await.unwrap(), "lagging");
        publish(&rooms, &room, "1");
        assert_eq!(staying.recv().await.unwrap(), "1");
        assert_eq!(rooms.status().await.unwrap().members, 1);
        // After a reconnect the client is a member as before.
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
