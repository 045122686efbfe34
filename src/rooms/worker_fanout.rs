//! The actor that sends events to the members on one worker, by deficit round robin over the rooms.
//!
//! The registry sends one command to each worker, not one to each member. A large fan-out goes out in slices: between two
//! slices other rooms, and all other work of the worker, get a turn. The order within a room is kept.

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

/// Deliveries before other work of the worker gets a turn. Each takes some 30 µs to sign and write.
const SLICE: usize = 12;

/// Deliveries in a room before another room gets a turn.
const QUANTUM: usize = 4;

/// Largest number of events of a room that a member gets at once, and their bytes.
const BATCH_EVENTS: usize = 8;
const BATCH_BYTES: usize = 64 * 1024;

/// Adds a member that lives on this worker.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct AttachMember {
    pub(super) sid: Sid,
    pub(super) deliver: Recipient<Deliver>,
    pub(super) slow_consumer: Recipient<SlowConsumer>,
    pub(super) arrivals: Arrivals,
}

/// Removes a member from this worker.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct DetachMember {
    pub(super) sid: Sid,
}

/// Sends an event to these members, after the earlier events of its room.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Broadcast {
    /// Names the queue; the same for all events of a room.
    pub(super) room_hash: u64,
    pub(super) payload: SharedPayload,
    pub(super) members: Vec<Sid>,
}

/// Events that are being sent to the same members.
#[derive(Debug)]
struct Batch {
    /// Shared on this worker only: a reference count that several cores change is slow.
    payloads: Arc<[SharedPayload]>,
    members: vec::IntoIter<Sid>,
}

/// The events of a room that are not sent yet.
#[derive(Debug, Default)]
struct RoomQueue {
    current: Option<Batch>,
    waiting: VecDeque<Broadcast>,
}

impl RoomQueue {
    /// The current batch. If there is none, waiting events with the same members form one: a member then gets all of them
    /// in one write.
    fn batch(&mut self) -> Option<&mut Batch> {
        if self.current.is_none() {
            let first = self.waiting.pop_front()?;
            let mut bytes = first.payload.json().len();
            let mut payloads = vec![first.payload];
            while payloads.len() < BATCH_EVENTS
                && let Some(next) = self.waiting.front()
                && next.members == first.members
            {
                bytes += next.payload.json().len();
                if bytes > BATCH_BYTES {
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

/// The fan-out of one worker. The first member on the worker starts it.
#[derive(Debug, Default)]
pub(super) struct WorkerFanout {
    members: HashMap<Sid, AttachMember>,
    /// Queues that are not empty, by the hash of their room.
    queues: HashMap<u64, RoomQueue>,
    /// The order of turns; each queue once.
    turns: VecDeque<u64>,
    /// The member that gets an event at this moment.
    serving: Option<Sid>,
}

impl WorkerFanout {
    /// Sends one slice. The rest waits until the worker has done other work.
    fn send_slice(&mut self, ctx: &mut Context<Self>) {
        let mut left = SLICE;
        while left > 0
            && let Some(room_hash) = self.turns.pop_front()
        {
            let is_alone = self.turns.is_empty();
            let quantum = if is_alone { left } else { QUANTUM.min(left) };
            let served = panics::contain("WorkerFanout", || self.serve(room_hash, quantum));
            if served.is_none() {
                self.cut_off();
            }
            self.end_turn(room_hash);
            left = left.saturating_sub(served.unwrap_or(quantum));
        }
        if !self.turns.is_empty() {
            // Lets other threads run too: with all cores busy, the database writer would wait for milliseconds.
            std::thread::yield_now();
            let turn = tokio::task::yield_now().into_actor(self);
            ctx.spawn(turn.map(|(), fanout, ctx| fanout.send_slice(ctx)));
        }
    }

    /// Makes about `quantum` deliveries of a queue and returns their number.
    fn serve(&mut self, room_hash: u64, quantum: usize) -> usize {
        let Some(batch) = self.queues.get_mut(&room_hash).and_then(RoomQueue::batch) else {
            return 0;
        };
        let mut served = 0;
        while served < quantum
            && let Some(sid) = batch.members.next()
        {
            served += batch.payloads.len();
            self.serving = Some(sid);
            #[cfg(test)]
            panics::injection::strike("WorkerFanout");
            if let Some(member) = self.members.get(&sid) {
                member.deliver.do_send(Deliver {
                    arrival: member.arrivals.next(batch.payloads.len()),
                    payloads: Arc::clone(&batch.payloads),
                });
            }
        }
        self.serving = None;
        served
    }

    /// Drops a finished batch, and gives the queue another turn unless it is empty.
    fn end_turn(&mut self, room_hash: u64) {
        let Entry::Occupied(mut entry) = self.queues.entry(room_hash) else {
            return;
        };
        let current = &mut entry.get_mut().current;
        *current = current.take().filter(|batch| batch.members.len() > 0);
        if entry.get().is_empty() {
            entry.remove();
        } else {
            self.turns.push_back(room_hash);
        }
    }

    /// Disconnects the member whose delivery panicked: it has missed an event. Its client reconnects and lists.
    fn cut_off(&mut self) {
        let member = self
            .serving
            .take()
            .and_then(|sid| self.members.remove(&sid));
        if let Some(member) = member {
            member.slow_consumer.do_send(SlowConsumer);
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
        self.members.entry(attach.sid).or_insert(attach);
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
        let queue = self.queues.entry(event.room_hash).or_default();
        if queue.is_empty() {
            self.turns.push_back(event.room_hash);
        }
        queue.waiting.push_back(event);
        if is_idle {
            self.send_slice(ctx);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::backlog::Backlog;

    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

    type Served = tokio::sync::mpsc::UnboundedSender<Option<Sid>>;

    /// Records which member got an event.
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

    /// Records the disconnect of a member as an id that no member has.
    impl Handler<SlowConsumer> for Recorder {
        type Result = ();

        fn handle(&mut self, _: SlowConsumer, _ctx: &mut Self::Context) {
            self.served.send(Some(sid(255))).unwrap();
        }
    }

    fn sid(index: u8) -> Sid {
        Sid::from_random([index; 15])
    }

    /// Starts a fan-out with so many members.
    fn fanout_to(members: u8, served: &Served) -> Addr<WorkerFanout> {
        let fanout = WorkerFanout::default().start();
        for sid in (0..members).map(sid) {
            let served = served.clone();
            let recorder = Recorder { sid, served }.start();
            fanout.do_send(AttachMember {
                sid,
                deliver: recorder.clone().recipient(),
                slow_consumer: recorder.recipient(),
                arrivals: Backlog::new(9).arrivals(),
            });
        }
        fanout
    }

    #[actix::test]
    async fn a_small_room_does_not_wait_for_a_large_one() {
        let (served, mut news) = tokio::sync::mpsc::unbounded_channel();
        let fanout = fanout_to(100, &served);
        for (room_hash, members) in [(1, 0..99), (1, 0..99), (2, 99..100), (2, 99..100)] {
            fanout.do_send(Broadcast {
                room_hash,
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
        let all: Vec<Sid> = (0..99).map(sid).collect();
        assert_eq!(order, [all.clone(), all].concat());
    }

    fn event(text: &str, members: &[Sid]) -> Broadcast {
        Broadcast {
            room_hash: 1,
            payload: SharedPayload::new(text.as_bytes().to_vec()),
            members: members.to_vec(),
        }
    }

    /// The batches that these events form: the number of events and of members of each.
    fn batches(events: impl IntoIterator<Item = Broadcast>) -> Vec<(usize, usize)> {
        let mut queue = RoomQueue {
            current: None,
            waiting: events.into_iter().collect(),
        };
        let mut batches = Vec::new();
        while let Some(batch) = queue.batch() {
            batches.push((batch.payloads.len(), batch.members.len()));
            queue.current = None;
        }
        assert!(queue.is_empty());
        batches
    }

    #[test]
    fn events_for_the_same_members_go_together_up_to_a_bound() {
        let (one, both) = ([sid(1)], [sid(1), sid(2)]);
        let same = (0..BATCH_EVENTS + 2).map(|_| event("x", &both));
        assert_eq!(batches(same), [(BATCH_EVENTS, 2), (2, 2)]);
        let others = [&both[..], &both, &one, &both].map(|members| event("x", members));
        assert_eq!(batches(others), [(2, 2), (1, 1), (1, 2)]);
        let large = "x".repeat(BATCH_BYTES);
        let large = ["x", large.as_str(), "x", "x"].map(|text| event(text, &one));
        assert_eq!(batches(large), [(1, 1), (1, 1), (2, 1)]);
    }

    #[actix::test]
    async fn a_panic_costs_one_member_its_place_and_nobody_else_anything() {
        let (served, mut news) = tokio::sync::mpsc::unbounded_channel();
        let fanout = fanout_to(50, &served);
        let everybody: Vec<Sid> = (0..50).map(sid).collect();
        let before = panics::count();
        panics::injection::arm("WorkerFanout");
        fanout.do_send(event("1", &everybody));
        let mut heard = Vec::new();
        while heard.len() < 50 {
            let next = tokio::time::timeout(PATIENCE, news.recv()).await;
            heard.extend(next.unwrap().unwrap());
        }
        assert!(panics::count() > before);
        // The first member is disconnected. All others get this event and the next.
        let told = heard.iter().position(|heard| *heard == sid(255)).unwrap();
        heard.remove(told);
        assert_eq!(heard, (1..50).map(sid).collect::<Vec<_>>());
        fanout.do_send(event("2", &everybody));
        for index in 1..50 {
            assert_eq!(news.recv().await.unwrap(), Some(sid(index)));
        }
    }

    #[actix::test]
    async fn everybody_is_served_in_order_and_others_have_their_turn_in_between() {
        let (served, mut news) = tokio::sync::mpsc::unbounded_channel();
        let fanout = fanout_to(200, &served);
        fanout.do_send(DetachMember { sid: sid(7) });
        for _ in 0..2 {
            fanout.do_send(Broadcast {
                room_hash: 1,
                payload: SharedPayload::new("event"),
                members: (0..200).map(sid).collect(),
            });
        }
        // Other work on the same worker.
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
        let all: Vec<Sid> = (0..200).filter(|index| *index != 7).map(sid).collect();
        assert_eq!(order, [all.clone(), all].concat());
        assert!(turns >= 398 / (2 * SLICE), "{turns}");
        assert!(longest <= 2 * SLICE, "{longest}");
    }
}
