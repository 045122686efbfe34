//! The cost of delivering an event to the members of a room, without signing, alone and beside many other rooms.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::time::{Duration, Instant};

use actix::prelude::*;
use criterion::{Criterion, criterion_group, criterion_main};
use messagebox::auth::{Identity, SharedPayload};
use messagebox::ids::{IdentityKey, RoomId, Sid};
use messagebox::rooms::{Admit, Deliver, Publish, RoomSettings, RoomsHandle, SlowConsumer};
use tokio::sync::mpsc;

const MEMBERS: usize = 1_000;
const OTHERS: usize = 9_000;

/// A member that counts its deliveries.
struct Member(mpsc::UnboundedSender<()>);

impl Actor for Member {
    type Context = Context<Self>;
}

impl Handler<Deliver> for Member {
    type Result = ();

    fn handle(&mut self, _: Deliver, _ctx: &mut Self::Context) {
        self.0.send(()).unwrap();
    }
}

impl Handler<SlowConsumer> for Member {
    type Result = ();

    fn handle(&mut self, _: SlowConsumer, _ctx: &mut Self::Context) {}
}

/// A room, and the other members of the registry.
struct Rooms {
    handle: RoomsHandle,
    room: RoomId,
    payload: SharedPayload,
    arrived: mpsc::UnboundedReceiver<()>,
}

impl Rooms {
    fn new(others: usize) -> Self {
        let handle = RoomsHandle::start(RoomSettings::default());
        let owner = Identity::random().identity_key();
        let (sender, arrived) = mpsc::unbounded_channel();
        let admit = |identity: IdentityKey| {
            let member = Member(sender.clone()).start();
            handle.admit(Admit {
                sid: Sid::random(),
                identity,
                deliver: member.clone().recipient(),
                slow_consumer: member.recipient(),
            });
        };
        for _ in 0..MEMBERS {
            admit(owner);
        }
        for _ in 0..others {
            admit(Identity::random().identity_key());
        }
        Self {
            room: RoomId::of(&owner, "inbox"),
            payload: SharedPayload::new(vec![b'x'; 420]),
            handle,
            arrived,
        }
    }

    /// Publishes an event, and waits until every member has it.
    async fn publish(&mut self) -> Duration {
        let start = Instant::now();
        self.handle.publish(Publish {
            room: self.room.clone(),
            payload: self.payload.clone(),
        });
        for _ in 0..MEMBERS {
            self.arrived.recv().await.unwrap();
        }
        start.elapsed()
    }
}

fn fan_out(criterion: &mut Criterion) {
    let system = System::new();
    let (mut alone, mut beside) = system.block_on(async { (Rooms::new(0), Rooms::new(OTHERS)) });
    let mut group = criterion.benchmark_group("an event to 1,000 members");
    group.sample_size(20);
    group.bench_function("alone", |bench| {
        bench.iter(|| system.block_on(alone.publish()));
    });
    group.bench_function("beside 9,000 others", |bench| {
        bench.iter(|| system.block_on(beside.publish()));
    });
    group.finish();
    let mut pair = || {
        system.block_on(async {
            let (alone, beside) = (alone.publish().await, beside.publish().await);
            (alone, beside.as_secs_f64() / alone.as_secs_f64())
        })
    };
    let mut pairs: Vec<(Duration, f64)> = (0..99).map(|_| pair()).collect();
    pairs.sort_by(|one, other| one.1.total_cmp(&other.1));
    if let Some((alone, ratio)) = pairs.get(49) {
        let each = *alone / u32::try_from(MEMBERS).unwrap_or(1);
        println!(
            "{each:?} for each member; beside {OTHERS} others {ratio:.2} times that (median of 99 pairs)"
        );
    }
}

criterion_group!(benches, fan_out);
criterion_main!(benches);
