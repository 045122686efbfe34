//! The actor that passes events on to the members of one worker.
//!
//! The registry sends one command to each worker, not one to each member. Here a large event goes out in slices: between
//! two of them other rooms, and everybody else on the worker, get a turn. Within a room the order is kept.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::vec;

use actix::prelude::*;

use crate::auth::SharedPayload;
use crate::ids::Sid;
use crate::panics;

use super::backlog::Arrivals;
use super::commands::{Deliver, SlowConsumer};

/// Deliveries before the rest of the worker gets a turn. Each takes some 30 microseconds to sign and write.
const SLICE: usize = 12;

/// Deliveries in a room before another room gets a turn.
const QUANTUM: usize = 4;

/// Events of a room that a member gets at once, where so many wait; and their bytes.
const TOGETHER: usize = 8;
const TOGETHER_BYTES: usize = 64 * 1024;

/// A member is on this worker.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct AttachMember {
    pub(super) sid: Sid,
    pub(super) deliver: Recipient<Deliver>,
    pub(super) slow_consumer: Recipient<SlowConsumer>,
    pub(super) arrivals: Arrivals,
}

/// A member is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct DetachMember {
    pub(super) sid: Sid,
}

/// Pass this event on to these members, after all that came before in its lane.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Broadcast {
    /// The same for all events of a room.
    pub(super) lane: u64,
    pub(super) payload: SharedPayload,
    pub(super) members: Vec<Sid>,
}

/// Events that are being passed on to the same members.
#[derive(Debug)]
struct Batch {
    /// Shared on this worker only: a counter that several cores change is slow.
    payloads: Arc<[SharedPayload]>,
    members: vec::IntoIter<Sid>,
}

/// The events of a room.
#[derive(Debug, Default)]
struct RoomQueue {
    current: Option<Batch>,
    waiting: VecDeque<Broadcast>,
}

impl RoomQueue {
    /// The round that has members left; those that have waited for it begin one together, if their members are the same:
    /// a member that gets several events at once gets them in one write.
    fn round(&mut self) -> Option<&mut Batch> {
        if self.current.is_none() {
            let first = self.waiting.pop_front()?;
            let mut bytes = first.payload.json().len();
            let mut payloads = vec![first.payload];
            while payloads.len() < TOGETHER
                && let Some(next) = self.waiting.front()
                && next.members == first.members
            {
                bytes += next.payload.json().len();
                if bytes > TOGETHER_BYTES {
                    break;
                }
                payloads.extend(self.waiting.pop_front().map(|next| next.payload));
            }
            self.current = Some(Batch {
                payloads: payloads.into(),
                members: first.members.into_iter(),
            });
        }
        self.current.as_mut()
    }

    fn is_empty(&self) -> bool {
        self.current.is_none() && self.waiting.is_empty()
    }
}

#[derive(Debug)]
struct Member {
    deliver: Recipient<Deliver>,
    slow_consumer: Recipient<SlowConsumer>,
    arrivals: Arrivals,
}

/// One of each worker, started by the first member there.
#[derive(Debug, Default)]
pub(super) struct WorkerFanout {
    members: HashMap<Sid, Member>,
    /// What is to be passed on, by lane; none is empty.
    lanes: HashMap<u64, RoomQueue>,
    /// Whose turn it is; each lane once.
    turns: VecDeque<u64>,
    /// Who is being served.
    serving: Option<Sid>,
}

impl WorkerFanout {
    /// Serves one slice; what is left has its turn after everybody else's.
    fn pass_on(&mut self, ctx: &mut Context<Self>) {
        let mut left = SLICE;
        while left > 0
            && let Some(lane) = self.turns.pop_front()
        {
            let is_alone = self.turns.is_empty();
            let share = if is_alone { left } else { QUANTUM.min(left) };
            let served = panics::contain("WorkerFanout", || self.serve(lane, share));
            if served.is_none() {
                self.cut_off();
            }
            self.end_turn(lane);
            left = left.saturating_sub(served.unwrap_or(share));
        }
        if !self.turns.is_empty() {
            // Other threads too: where all cores are busy, the writer's would wait for milliseconds.
            std::thread::yield_now();
            let turn = tokio::task::yield_now().into_actor(self);
            ctx.spawn(turn.map(|(), relay, ctx| relay.pass_on(ctx)));
        }
    }

    /// Makes about `share` deliveries in a lane, and says how many it made.
    fn serve(&mut self, lane: u64, share: usize) -> usize {
        let Some(round) = self.lanes.get_mut(&lane).and_then(RoomQueue::round) else {
            return 0;
        };
        let mut served = 0;
        while served < share
            && let Some(sid) = round.members.next()
        {
            served += round.payloads.len();
            self.serving = Some(sid);
            #[cfg(test)]
            panics::injection::strike("WorkerFanout");
            if let Some(member) = self.members.get(&sid) {
                member.deliver.do_send(Deliver {
                    arrival: member.arrivals.next(round.payloads.len()),
                    payloads: Arc::clone(&round.payloads),
                });
            }
        }
        self.serving = None;
        served
    }

    /// Drops what is finished of a lane, and gives it another turn if something is left.
    fn end_turn(&mut self, lane: u64) {
        let Entry::Occupied(mut entry) = self.lanes.entry(lane) else {
            return;
        };
        let current = &mut entry.get_mut().current;
        *current = current.take().filter(|round| round.members.len() > 0);
        if entry.get().is_empty() {
            entry.remove();
        } else {
            self.turns.push_back(lane);
        }
    }

    /// The member that was being served has missed an event: its client comes back and looks what there is.
    fn cut_off(&mut self) {
        let member = self
            .serving
            .take()
            .and_then(|sid| self.members.remove(&sid));
        if let Some(member) = member {
            member.lagging.do_send(SlowConsumer);
        }
    }
}

impl Actor for WorkerFanout {
    type Context = Context<Self>;
}

impl Supervised for WorkerFanout {}

impl ArbiterService for WorkerFanout {}

impl Handler<AttachMember> for WorkerFanout {
    type Result = ();

    fn handle(&mut self, attach: AttachMember, _ctx: &mut Self::Context) {
        let AttachMember {
            sid,
            deliver,
            lagging,
            arrivals,
        } = attach;
        self.members.entry(sid).or_insert(Member {
            deliver,
            lagging,
            arrivals,
        });
    }
}

impl Handler<DetachMember> for WorkerFanout {
    type Result = ();

    fn handle(&mut self, detach: DetachMember, _ctx: &mut Self::Context) {
        self.members.remove(&detach.sid);
    }
}

impl Handler<Broadcast> for WorkerFanout {
    type Result = ();

    fn handle(&mut self, event: Broadcast, ctx: &mut Self::Context) {
        let is_idle = self.turns.is_empty();
        let lane = self.lanes.entry(event.lane).or_default();
        if lane.is_empty() {
            self.turns.push_back(event.lane);
        }
        lane.waiting.push_back(event);
        if is_idle {
            self.pass_on(ctx);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::backlog::Backlog;

    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

    type Served = tokio::sync::mpsc::UnboundedSender<Option<Sid>>;

    /// Notes who was served.
    struct Recorder {
        sid: Sid,
        served: Served,
    }

    impl Actor for Recorder {
        type Context = Context<Self>;
    }

    impl Handler<Deliver> for Recorder {
        type Result = ();

        fn handle(&mut self, deliver: Deliver, _ctx: &mut Self::Context) {
            for _ in &*deliver.payloads {
                self.served.send(Some(self.sid)).unwrap();
            }
        }
    }

    /// It is told with a sid that nobody has.
    impl Handler<SlowConsumer> for Recorder {
        type Result = ();

        fn handle(&mut self, _: SlowConsumer, _ctx: &mut Self::Context) {
            self.served.send(Some(sid(255))).unwrap();
        }
    }

    fn sid(index: u8) -> Sid {
        Sid::from_random([index; 15])
    }

    /// A relay with so many members.
    fn relay_to(members: u8, served: &Served) -> Addr<WorkerFanout> {
        let relay = WorkerFanout::default().start();
        for sid in (0..members).map(sid) {
            let served = served.clone();
            let recorder = Recorder { sid, served }.start();
            relay.do_send(AttachMember {
                sid,
                deliver: recorder.clone().recipient(),
                slow_consumer: recorder.recipient(),
                arrivals: Backlog::new(9).arrivals(),
            });
        }
        relay
    }

    #[actix::test]
    async fn a_small_room_does_not_wait_for_a_large_one() {
        let (served, mut news) = tokio::sync::mpsc::unbounded_channel();
        let relay = relay_to(100, &served);
        for (lane, members) in [(1, 0..99), (1, 0..99), (2, 99..100), (2, 99..100)] {
            relay.do_send(Broadcast {
                lane,
                payload: SharedPayload::new("event"),
                members: members.map(sid).collect(),
            });
        }
        let mut order = Vec::new();
        while order.len() < 200 {
            order.extend(news.recv().await.unwrap());
        }
        let of_small = |served: &Sid| *served == sid(99);
        let soon = order.iter().take(2 * SLICE);
        assert_eq!(soon.filter(|sid| of_small(sid)).count(), 2);
        order.retain(|served| !of_small(served));
        let round: Vec<Sid> = (0..99).map(sid).collect();
        assert_eq!(order, [round.clone(), round].concat());
    }

    fn event(text: &str, members: &[Sid]) -> Broadcast {
        Broadcast {
            lane: 1,
            payload: SharedPayload::new(text.as_bytes().to_vec()),
            members: members.to_vec(),
        }
    }

    /// The rounds that come of these events: how many of them each has, and for how many members.
    fn rounds(events: impl IntoIterator<Item = Broadcast>) -> Vec<(usize, usize)> {
        let mut lane = RoomQueue {
            current: None,
            waiting: events.into_iter().collect(),
        };
        let mut rounds = Vec::new();
        while let Some(round) = lane.round() {
            rounds.push((round.payloads.len(), round.members.len()));
            lane.current = None;
        }
        assert!(lane.is_empty());
        rounds
    }

    #[test]
    fn events_for_the_same_members_go_together_up_to_a_bound() {
        let (one, both) = ([sid(1)], [sid(1), sid(2)]);
        let same = (0..TOGETHER + 2).map(|_| event("x", &both));
        assert_eq!(rounds(same), [(TOGETHER, 2), (2, 2)]);
        let others = [&both[..], &both, &one, &both].map(|members| event("x", members));
        assert_eq!(rounds(others), [(2, 2), (1, 1), (1, 2)]);
        let large = "x".repeat(TOGETHER_BYTES);
        let large = ["x", large.as_str(), "x", "x"].map(|text| event(text, &one));
        assert_eq!(rounds(large), [(1, 1), (1, 1), (2, 1)]);
    }

    #[actix::test]
    async fn a_panic_costs_one_member_its_place_and_nobody_else_anything() {
        let (served, mut news) = tokio::sync::mpsc::unbounded_channel();
        let relay = relay_to(50, &served);
        let everybody: Vec<Sid> = (0..50).map(sid).collect();
        let before = panics::count();
        panics::injection::arm("WorkerFanout");
        relay.do_send(event("1", &everybody));
        let mut heard = Vec::new();
        while heard.len() < 50 {
            let next = tokio::time::timeout(PATIENCE, news.recv()).await;
            heard.extend(next.unwrap().unwrap());
        }
        assert!(panics::count() > before);
        // The first one is told to go; all others have the event, this time and the next.
        let told = heard.iter().position(|heard| *heard == sid(255)).unwrap();
        heard.remove(told);
        assert_eq!(heard, (1..50).map(sid).collect::<Vec<_>>());
        relay.do_send(event("2", &everybody));
        for index in 1..50 {
            assert_eq!(news.recv().await.unwrap(), Some(sid(index)));
        }
    }

    #[actix::test]
    async fn everybody_is_served_in_order_and_others_have_their_turn_in_between() {
        let (served, mut news) = tokio::sync::mpsc::unbounded_channel();
        let relay = relay_to(200, &served);
        relay.do_send(DetachMember { sid: sid(7) });
        for _ in 0..2 {
            relay.do_send(Broadcast {
                lane: 1,
                payload: SharedPayload::new("event"),
                members: (0..200).map(sid).collect(),
            });
        }
        // Somebody else on the worker.
        actix::spawn(async move {
            loop {
                tokio::task::yield_now().await;
                if served.send(None).is_err() {
                    break;
                }
            }
        });
        let (mut order, mut turns, mut in_a_row, mut longest) = (Vec::new(), 0, 0, 0);
        while order.len() < 398 {
            if let Some(sid) = news.recv().await.unwrap() {
                order.push(sid);
                in_a_row += 1;
            } else {
                turns += 1;
                in_a_row = 0;
            }
            longest = longest.max(in_a_row);
        }
        let round: Vec<Sid> = (0..200).filter(|index| *index != 7).map(sid).collect();
        assert_eq!(order, [round.clone(), round].concat());
        assert!(turns >= 398 / (2 * SLICE), "{turns}");
        assert!(longest <= 2 * SLICE, "{longest}");
    }
}
