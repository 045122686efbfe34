//! `rooms` and `fanout`: sockets that share their owner's room, and senders of other identities.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use messagebox::auth::Identity;
use messagebox::client::ClientError;
use messagebox::ids::RoomId;

use tokio::sync::mpsc::UnboundedReceiver;

use super::MESSAGE_BOX;
use crate::member;
use crate::options::Pace;
use crate::run::Run;
use crate::sender::{Lane, Sender};
use crate::source::Tick;
use crate::stream::{CompletedBy, Stream};
use crate::workload::Workload;

/// How many of what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Rooms, each of an identity of its own.
    pub(crate) rooms: usize,
    /// Sockets that receive, spread evenly over the rooms. All in a room have its owner's identity, because rooms may
    /// be private to their owner.
    pub(crate) sockets: usize,
    /// Sockets that send; each room has one of them.
    pub(crate) senders: usize,
    pub(crate) pace: Pace,
}

/// A sender that is not connected yet.
struct Waiting {
    ticks: UnboundedReceiver<Tick>,
    rooms: Vec<Room>,
}

#[derive(Clone)]
struct Room {
    owner: Arc<Identity>,
    stream: Arc<Stream>,
}

pub(crate) async fn prepare(run: &Arc<Run>, plan: Plan) -> Result<Workload, ClientError> {
    let mut workload = Workload::new(run, plan.pace);
    let (deliveries, acks) = (run.operation("delivery"), run.operation("ack"));
    let senders = plan.senders.min(plan.rooms);
    let waiting: Vec<Waiting> = (0..senders)
        .map(|sender| {
            open_rooms(
                run,
                &mut workload,
                (sender..plan.rooms).step_by(senders).len(),
            )
        })
        .collect();
    let rooms: Vec<&Room> = waiting.iter().flat_map(|sender| &sender.rooms).collect();
    for (_, room) in (0..plan.sockets).zip(rooms.iter().cycle()) {
        let ready = workload.expect_ready();
        let receiving = member::receive(
            Arc::clone(run),
            Arc::clone(&room.owner),
            Arc::clone(&room.stream),
            Arc::clone(&deliveries),
            ready,
        );
        workload.tasks.spawn(receiving);
    }
    workload.all_ready().await?;
    // The senders come last, so that none of them is silent for as long as all others take to connect.
    for Waiting { ticks, rooms } in waiting {
        run.wanted.fetch_add(1, Ordering::Relaxed);
        let socket = run.connect(Arc::new(Identity::random())).await?;
        run.connected.fetch_add(1, Ordering::Relaxed);
        let lanes = rooms.into_iter().map(|room| Lane::new(room.stream, false));
        let sender = Sender {
            run: Arc::clone(run),
            socket,
            ticks,
            lanes: lanes.collect(),
            acks: Arc::clone(&acks),
            deliveries: Arc::clone(&deliveries),
        };
        workload.tasks.spawn(sender.work());
    }
    Ok(workload)
}

/// The rooms of one sender. Their sequences have numbers that follow each other.
fn open_rooms(run: &Arc<Run>, workload: &mut Workload, count: usize) -> Waiting {
    let (sources, ticks) = workload.ticks(count);
    let open = |source| {
        let owner = Arc::new(Identity::random());
        let key = owner.identity_key();
        let room = RoomId::of(&key, MESSAGE_BOX);
        let stream = Stream::new(run, room, key, source, CompletedBy::Deliveries);
        Room {
            owner,
            stream: Arc::new(stream),
        }
    };
    Waiting {
        ticks,
        rooms: sources.into_iter().map(open).collect(),
    }
}
