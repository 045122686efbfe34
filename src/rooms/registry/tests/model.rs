//! Random sequences of commands against a model: which member receives which event, which one is too slow, and that
//! nothing of a removed member stays.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::rooms::backlog::Backlog;
use crate::rooms::worker_fanout::{AttachMember, DetachMember};

const KEYS: [&str; 2] = [
    "022f8bde4d1a07209355b4a7250a5c5128e88b84bddc619ab7cba8d569b240efe4",
    "03774ae7f858a9411e5ef4246b70c65aac5649980be5c17891bbec17895da008cb",
];
const MAX_ROOMS: usize = 2;
const MAX_PENDING: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Admit(u8, usize),
    Join(u8, usize),
    LeaveRoom(u8, usize),
    RemoveMember(u8),
    Publish(usize),
    /// The member handles its pending events.
    Handle(u8),
    /// The member's actor stops before `RemoveMember` arrives.
    Die(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let (member, room) = (0..4_u8, 0..5_usize);
    prop_oneof![
        3 => (member.clone(), 0..2_usize).prop_map(|(member, key)| Step::Admit(member, key)),
        3 => (member.clone(), room.clone()).prop_map(|(member, room)| Step::Join(member, room)),
        2 => (member.clone(), room.clone()).prop_map(|(member, room)| Step::LeaveRoom(member, room)),
        1 => member.clone().prop_map(Step::RemoveMember),
        6 => room.prop_map(Step::Publish),
        1 => member.clone().prop_map(Step::Handle),
        1 => member.prop_map(Step::Die),
    ]
}

fn rooms() -> Vec<RoomId> {
    let key = |index: usize| KEYS[index].parse::<IdentityKey>().unwrap();
    vec![
        RoomId::of(&key(0), "a"),
        RoomId::of(&key(0), "b"),
        RoomId::of(&key(1), "a"),
        RoomId::of(&key(1), "b"),
        RoomId::new("lobby"),
    ]
}

/// Takes the place of a socket's actor: records messages, and handles its events only on command.
struct Witness {
    heard: Rc<RefCell<Vec<String>>>,
    pending: Vec<Deliver>,
}

impl Actor for Witness {
    type Context = Context<Self>;
}

impl Handler<Deliver> for Witness {
    type Result = ();

    fn handle(&mut self, deliver: Deliver, _ctx: &mut Self::Context) {
        for payload in &*deliver.payloads {
            let text = String::from_utf8(payload.bytes().to_vec()).unwrap();
            self.heard.borrow_mut().push(text);
        }
        self.pending.push(deliver);
    }
}

impl Handler<SlowConsumer> for Witness {
    type Result = ();

    fn handle(&mut self, _: SlowConsumer, _ctx: &mut Self::Context) {
        self.heard.borrow_mut().push("lagging".to_owned());
    }
}

#[derive(Message)]
#[rtype(result = "()")]
enum Tell {
    Handle,
    Nothing,
    Die,
}

impl Handler<Tell> for Witness {
    type Result = ();

    fn handle(&mut self, tell: Tell, ctx: &mut Self::Context) {
        match tell {
            Tell::Handle => self.pending.clear(),
            Tell::Nothing => {}
            Tell::Die => ctx.stop(),
        }
    }
}

/// The model's view of a member.
struct Expected {
    owner: usize,
    joined: BTreeSet<usize>,
    left: BTreeSet<usize>,
    pending: usize,
    is_slow: bool,
    dead: bool,
    hears: Vec<String>,
    heard: Rc<RefCell<Vec<String>>>,
    witness: Addr<Witness>,
}

impl Expected {
    fn is_in(&self, room: usize, automatic: bool) -> bool {
        let own = automatic && rooms()[room].owner_hex() == Some(KEYS[self.owner]);
        self.joined.contains(&room) || (own && !self.left.contains(&room))
    }
}

struct World {
    registry: RoomRegistry,
    ctx: Context<RoomRegistry>,
    fanout: Addr<WorkerFanout>,
    automatic: bool,
    members: BTreeMap<u8, Expected>,
    published: u64,
    status: RoomsStatus,
    /// The records of all witnesses. Each living witness shares its own.
    heard_by: Vec<Rc<RefCell<Vec<String>>>>,
}

fn sid(member: u8) -> Sid {
    Sid::from_random([member; 15])
}

impl World {
    fn new(automatic: bool) -> Self {
        Self {
            registry: RoomRegistry::new(RoomSettings {
                auto_join: automatic,
                access: RoomAccess::Owner,
                max_rooms_per_socket: MAX_ROOMS,
                max_pending_deliveries: MAX_PENDING,
                max_event_bytes: 1_000,
            }),
            ctx: Context::new(),
            fanout: WorkerFanout::default().start(),
            automatic,
            members: BTreeMap::new(),
            published: 0,
            status: RoomsStatus::default(),
            heard_by: Vec::new(),
        }
    }

    fn tell<M: Message>(&mut self, command: M) -> <RoomRegistry as Handler<M>>::Result
    where
        RoomRegistry: Handler<M>,
    {
        self.registry.handle(command, &mut self.ctx)
    }

    /// Admits a member as [`crate::rooms::RoomsHandle::admit`] does.
    async fn admit(&mut self, member: u8, owner: usize) {
        let heard = Rc::default();
        let witness = Witness {
            heard: Rc::clone(&heard),
            pending: Vec::new(),
        }
        .start();
        let backlog = Backlog::new(MAX_PENDING);
        let attach = AttachMember {
            sid: sid(member),
            deliver: witness.clone().recipient(),
            slow_consumer: witness.clone().recipient(),
            arrivals: backlog.arrivals(),
        };
        self.fanout.send(attach).await.unwrap();
        let fanout = self.fanout.clone();
        self.tell(AddMember {
            sid: sid(member),
            identity: KEYS[owner].parse().unwrap(),
            fanout,
            slow_consumer: witness.clone().recipient(),
            backlog,
            watermark: i64::MIN,
        });
        self.heard_by.push(Rc::clone(&heard));
        // Admitting an existing member changes nothing.
        self.members.entry(member).or_insert(Expected {
            owner,
            joined: BTreeSet::new(),
            left: BTreeSet::new(),
            pending: 0,
            is_slow: false,
            dead: false,
            hears: Vec::new(),
            heard,
            witness,
        });
    }

    async fn publish(&mut self, room: usize) {
        self.published += 1;
        let text = self.published.to_string();
        let payload = SharedPayload::new(text.clone().into_bytes());
        self.tell(Publish {
            room: rooms()[room].clone(),
            payload,
        });
        // The answer means that everything sent before has been fanned out.
        self.fanout
            .send(DetachMember { sid: sid(99) })
            .await
            .unwrap();
        let automatic = self.automatic;
        let inside: Vec<&mut Expected> = self
            .members
            .values_mut()
            .filter(|member| member.is_in(room, automatic))
            .collect();
        self.status.published += u64::from(!inside.is_empty());
        for member in inside {
            if member.is_slow {
            } else if member.pending < MAX_PENDING {
                self.status.deliveries += 1;
                if !member.dead {
                    member.pending += 1;
                    member.hears.push(text.clone());
                }
            } else {
                member.is_slow = true;
                self.status.lagging += 1;
                member.hears.push("lagging".to_owned());
            }
        }
    }

    async fn step(&mut self, step: &Step) {
        match *step {
            Step::Admit(member, owner) => self.admit(member, owner).await,
            Step::Join(member, room) => {
                self.tell(JoinRoom {
                    sid: sid(member),
                    room: rooms()[room].clone(),
                    watermark: i64::MIN,
                });
                if let Some(member) = self.members.get_mut(&member)
                    && (member.joined.len() < MAX_ROOMS || member.joined.contains(&room))
                {
                    member.joined.insert(room);
                    member.left.remove(&room);
                }
            }
            Step::LeaveRoom(member, room) => {
                self.tell(LeaveRoom {
                    sid: sid(member),
                    room: rooms()[room].clone(),
                });
                if let Some(member) = self.members.get_mut(&member) {
                    member.joined.remove(&room);
                    member.left.insert(room);
                }
            }
            Step::RemoveMember(member) => {
                let detach = DetachMember { sid: sid(member) };
                self.fanout.send(detach).await.unwrap();
                self.tell(RemoveMember { sid: sid(member) });
                if let Some(member) = self.members.remove(&member) {
                    check(&member).await;
                }
            }
            Step::Publish(room) => self.publish(room).await,
            Step::Handle(member) => {
                if let Some(member) = self.members.get_mut(&member) {
                    let _ = member.witness.send(Tell::Handle).await;
                    member.pending = 0;
                }
            }
            Step::Die(member) => {
                if let Some(member) = self.members.get_mut(&member) {
                    let _ = member.witness.send(Tell::Die).await;
                    while member.witness.connected() {
                        tokio::task::yield_now().await;
                    }
                    (member.dead, member.pending) = (true, 0);
                }
            }
        }
        let joined: BTreeSet<usize> = self
            .members
            .values()
            .flat_map(|member| member.joined.iter().copied())
            .collect();
        let (rooms, members) = (joined.len(), self.members.len());
        assert_eq!(
            self.tell(GetRoomsStatus),
            RoomsStatus {
                rooms,
                members,
                ..self.status
            }
        );
        assert_eq!(self.registry.outlets.len(), members, "an outlet leaks");
    }
}

/// Checks that the member received its events in order, once, and nothing else.
async fn check(member: &Expected) {
    // Handled after everything that was sent before.
    let _ = member.witness.send(Tell::Nothing).await;
    assert_eq!(*member.heard.borrow(), member.hears);
}

/// Waits until the actors of all removed members have stopped, which drops their records.
async fn all_are_let_go(heard_by: &[Rc<RefCell<Vec<String>>>]) {
    for _ in 0..1_000 {
        if heard_by.iter().all(|heard| Rc::strong_count(heard) == 1) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the registry holds on to members that are gone");
}

proptest! {
    #[test]
    fn members_hear_their_rooms_and_leave_nothing_behind(
        automatic: bool,
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        System::new().block_on(async {
            let mut world = World::new(automatic);
            for step in &steps {
                world.step(step).await;
            }
            for member in 0..4 {
                world.step(&Step::RemoveMember(member)).await;
            }
            assert_eq!((world.registry.membership.room_count(), world.members.len()), (0, 0));
            for room in 0..5 {
                world.step(&Step::Publish(room)).await;
            }
            all_are_let_go(&world.heard_by).await;
        });
    }
}
