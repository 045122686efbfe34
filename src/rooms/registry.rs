//! The actor that knows the rooms and fans events out to their members.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use actix::prelude::*;

use crate::auth::SharedPayload;
use crate::ids::{IdentityKey, RoomId, Sid};

use super::backlog::Backlog;
use super::commands::{GetStatus, Gone, Join, Lagging, Leave, Publish, RoomsStatus};
use super::handle::RoomSettings;
use super::membership::Membership;
use super::relay::{PassOn, Relay};

/// Take this member in.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Enrol {
    pub(super) sid: Sid,
    pub(super) identity: IdentityKey,
    /// Where its events go: the relay of its worker.
    pub(super) relay: Addr<Relay>,
    pub(super) lagging: Recipient<Lagging>,
    pub(super) backlog: Backlog,
}

/// A member's events.
#[derive(Debug)]
struct Outlet {
    /// Index of its worker.
    worker: usize,
    lagging: Recipient<Lagging>,
    backlog: Backlog,
    is_lagging: bool,
}

/// A thread that has members.
#[derive(Debug)]
struct Worker {
    relay: Addr<Relay>,
    /// Those of the event that is being published.
    members: Vec<Sid>,
}

/// The registry; runs on an arbiter of its own.
#[derive(Debug)]
pub struct RoomRegistry {
    settings: RoomSettings,
    membership: Membership,
    outlets: HashMap<Sid, Outlet>,
    /// As many as the server has threads; they stay.
    workers: Vec<Worker>,
    /// Makes a room's lane of its id.
    lanes: RandomState,
    status: RoomsStatus,
}

impl RoomRegistry {
    /// A registry without members.
    #[must_use]
    pub fn new(settings: RoomSettings) -> Self {
        Self {
            membership: Membership::new(settings.max_rooms_per_socket),
            outlets: HashMap::new(),
            workers: Vec::new(),
            lanes: RandomState::new(),
            status: RoomsStatus::default(),
            settings,
        }
    }

    /// Delivers an event to the members of a room. It is made only if there are any.
    pub fn publish(&mut self, room: &RoomId, make: impl FnOnce() -> SharedPayload) {
        let mut members = self.membership.members(room).peekable();
        if members.peek().is_none() {
            return;
        }
        let payload = make();
        self.status.published += 1;
        for sid in members {
            let Some(outlet) = self.outlets.get_mut(&sid) else {
                continue;
            };
            if outlet.is_lagging {
                continue;
            }
            if outlet.backlog.begin() {
                if let Some(worker) = self.workers.get_mut(outlet.worker) {
                    worker.members.push(sid);
                }
                self.status.deliveries += 1;
            } else {
                // Once: it is about to end, and nothing more is kept for it.
                outlet.is_lagging = true;
                outlet.lagging.do_send(Lagging);
                self.status.lagging += 1;
            }
        }
        // Rooms that happen to share a lane wait for each other; nothing else comes of it.
        let lane = self.lanes.hash_one(room);
        for worker in &mut self.workers {
            if !worker.members.is_empty() {
                worker.relay.do_send(PassOn {
                    lane,
                    payload: payload.copied(),
                    members: std::mem::take(&mut worker.members),
                });
            }
        }
    }

    /// The index of the worker that has this relay.
    fn worker(&mut self, relay: Addr<Relay>) -> usize {
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

impl Handler<Enrol> for RoomRegistry {
    type Result = ();

    fn handle(&mut self, member: Enrol, _ctx: &mut Self::Context) {
        self.membership
            .admit(member.sid, &member.identity, self.settings.auto_join);
        let worker = self.worker(member.relay);
        self.outlets.entry(member.sid).or_insert(Outlet {
            worker,
            lagging: member.lagging,
            backlog: member.backlog,
            is_lagging: false,
        });
    }
}

impl Handler<Join> for RoomRegistry {
    type Result = ();

    fn handle(&mut self, join: Join, _ctx: &mut Self::Context) {
        if !self.membership.join(join.sid, join.room) {
            log::debug!("socket {} joins a room no more", join.sid);
        }
    }
}

impl Handler<Leave> for RoomRegistry {
    type Result = ();

    fn handle(&mut self, leave: Leave, _ctx: &mut Self::Context) {
        self.membership.leave(leave.sid, &leave.room);
    }
}

impl Handler<Gone> for RoomRegistry {
    type Result = ();

    fn handle(&mut self, gone: Gone, _ctx: &mut Self::Context) {
        self.membership.remove(gone.sid);
        self.outlets.remove(&gone.sid);
    }
}

impl Handler<Publish> for RoomRegistry {
    type Result = ();

    fn handle(&mut self, publish: Publish, _ctx: &mut Self::Context) {
        self.publish(&publish.room, || publish.payload);
    }
}

impl Handler<GetStatus> for RoomRegistry {
    type Result = RoomsStatus;

    fn handle(&mut self, _: GetStatus, _ctx: &mut Self::Context) -> RoomsStatus {
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
            let text = String::from_utf8(deliver.payload.bytes().to_vec()).unwrap();
            self.delivered.send(text).unwrap();
            if self.keep {
                self.kept.push(deliver);
            }
        }
    }

    impl Handler<Lagging> for Recorder {
        type Result = ();

        fn handle(&mut self, _: Lagging, _ctx: &mut Self::Context) {
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
            lagging: recorder.recipient(),
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

    #[actix::test]
    async fn a_room_without_members_costs_no_encoding() {
        let rooms = rooms();
        let own = Identity::random().identity_key();
        let mut inbox = member(&rooms, 1, own, false);
        let room = RoomId::of(&own, "inbox");
        rooms.leave(Leave {
            sid: Sid::from_random([1; 15]),
            room: room.clone(),
        });
        publish(&rooms, &room, "unheard");
        assert_eq!(rooms.status().await.unwrap().published, 0);
        rooms.gone(Gone {
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
}
