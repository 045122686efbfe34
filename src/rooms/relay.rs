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

use super::backlog::Arrivals;
use super::commands::Deliver;

/// Members that are served before the rest of the worker gets a turn. Each signs and writes for some 30 microseconds.
const SLICE: usize = 12;

/// Members of a room that are served before another room gets a turn.
const SHARE: usize = 4;

/// A member is on this worker.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Attach {
    pub(super) sid: Sid,
    pub(super) deliver: Recipient<Deliver>,
    pub(super) arrivals: Arrivals,
}

/// A member is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Detach {
    pub(super) sid: Sid,
}

/// Pass this event on to these members, after all that came before in its lane.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct PassOn {
    /// The same for all events of a room.
    pub(super) lane: u64,
    pub(super) payload: SharedPayload,
    pub(super) members: Vec<Sid>,
}

/// An event that is being passed on.
#[derive(Debug)]
struct Round {
    /// Shared on this worker only: a counter that several cores change is slow.
    payload: Arc<SharedPayload>,
    members: vec::IntoIter<Sid>,
}

#[derive(Debug)]
struct Member {
    deliver: Recipient<Deliver>,
    arrivals: Arrivals,
}

/// One of each worker, started by the first member there.
#[derive(Debug, Default)]
pub(super) struct Relay {
    members: HashMap<Sid, Member>,
    /// What is to be passed on, by lane; none is empty.
    lanes: HashMap<u64, VecDeque<Round>>,
    /// Whose turn it is; each lane once.
    turns: VecDeque<u64>,
}

impl Relay {
    /// Serves one slice; what is left has its turn after everybody else's.
    fn pass_on(&mut self, ctx: &mut Context<Self>) {
        let mut left = SLICE;
        while left > 0
            && let Some(lane) = self.turns.pop_front()
        {
            let is_alone = self.turns.is_empty();
            let share = if is_alone { left } else { SHARE.min(left) };
            left -= self.serve(lane, share);
        }
        if !self.turns.is_empty() {
            // Other threads too: where all cores are busy, the writer's would wait for milliseconds.
            std::thread::yield_now();
            let turn = tokio::task::yield_now().into_actor(self);
            ctx.spawn(turn.map(|(), relay, ctx| relay.pass_on(ctx)));
        }
    }

    /// Passes the first event of a lane on to some of its members, and says to how many.
    fn serve(&mut self, lane: u64, share: usize) -> usize {
        let Entry::Occupied(mut rounds) = self.lanes.entry(lane) else {
            return 0;
        };
        let Some(round) = rounds.get_mut().front_mut() else {
            return 0;
        };
        let mut served = 0;
        for sid in round.members.by_ref().take(share) {
            served += 1;
            if let Some(member) = self.members.get(&sid) {
                member.deliver.do_send(Deliver {
                    payload: Arc::clone(&round.payload),
                    arrival: member.arrivals.next(),
                });
            }
        }
        if round.members.len() == 0 {
            rounds.get_mut().pop_front();
        }
        if rounds.get().is_empty() {
            rounds.remove();
        } else {
            self.turns.push_back(lane);
        }
        served
    }
}

impl Actor for Relay {
    type Context = Context<Self>;
}

impl Supervised for Relay {}

impl ArbiterService for Relay {}

impl Handler<Attach> for Relay {
    type Result = ();

    fn handle(&mut self, attach: Attach, _ctx: &mut Self::Context) {
        let Attach {
            sid,
            deliver,
            arrivals,
        } = attach;
        self.members
            .entry(sid)
            .or_insert(Member { deliver, arrivals });
    }
}

impl Handler<Detach> for Relay {
    type Result = ();

    fn handle(&mut self, detach: Detach, _ctx: &mut Self::Context) {
        self.members.remove(&detach.sid);
    }
}

impl Handler<PassOn> for Relay {
    type Result = ();

    fn handle(&mut self, event: PassOn, ctx: &mut Self::Context) {
        let is_idle = self.turns.is_empty();
        let rounds = self.lanes.entry(event.lane).or_default();
        if rounds.is_empty() {
            self.turns.push_back(event.lane);
        }
        rounds.push_back(Round {
            payload: Arc::new(event.payload),
            members: event.members.into_iter(),
        });
        if is_idle {
            self.pass_on(ctx);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::backlog::Backlog;

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

        fn handle(&mut self, _: Deliver, _ctx: &mut Self::Context) {
            self.served.send(Some(self.sid)).unwrap();
        }
    }

    fn sid(index: u8) -> Sid {
        Sid::from_random([index; 15])
    }

    /// A relay with so many members.
    fn relay_to(members: u8, served: &Served) -> Addr<Relay> {
        let relay = Relay::default().start();
        for sid in (0..members).map(sid) {
            let served = served.clone();
            relay.do_send(Attach {
                sid,
                deliver: Recorder { sid, served }.start().recipient(),
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
            relay.do_send(PassOn {
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
        assert!(
            order
                .iter()
                .take(2 * SLICE)
                .filter(|sid| of_small(sid))
                .count()
                == 2
        );
        order.retain(|served| !of_small(served));
        let round: Vec<Sid> = (0..99).map(sid).collect();
        assert_eq!(order, [round.clone(), round].concat());
    }

    #[actix::test]
    async fn everybody_is_served_in_order_and_others_have_their_turn_in_between() {
        let (served, mut news) = tokio::sync::mpsc::unbounded_channel();
        let relay = relay_to(200, &served);
        relay.do_send(Detach { sid: sid(7) });
        for _ in 0..2 {
            relay.do_send(PassOn {
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
