//! `rooms` and `fanout`: sockets in their owner's room, and senders of other identities.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use messagebox::auth::Identity;
use messagebox::client::ClientError;
use messagebox::ids::RoomId;

use tokio::sync::mpsc::UnboundedReceiver;

use crate::options::{MESSAGE_BOX, SendPace};
use crate::run::Run;
use crate::traffic::member;
use crate::traffic::sender::{Sender, SenderLane};
use crate::traffic::source::Tick;
use crate::traffic::stream::{CompletedBy, Stream};
use crate::workload::Workload;

/// The numbers of rooms and sockets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoomsPlan {
    /// Rooms, each of its own identity.
    pub(crate) rooms: usize,
    /// Receiving sockets, spread evenly over the rooms. All in a room have its owner's identity, because rooms may be private
    /// to their owner.
    pub(crate) sockets: usize,
    /// Sending sockets; each room has one.
    pub(crate) senders: usize,
    pub(crate) pace: SendPace,
}

/// A sender before it connects.
struct PendingSender {
    ticks: UnboundedReceiver<Tick>,
    rooms: Vec<Room>,
}

#[derive(Clone)]
struct Room {
    owner: Arc<Identity>,
    stream: Arc<Stream>,
}

pub(crate) async fn prepare(run: &Arc<Run>, plan: RoomsPlan) -> Result<Workload, ClientError> {
    let mut workload = Workload::new(run, plan.pace);
    let (deliveries, acks) = (run.operation("delivery"), run.operation("ack"));
    let senders = plan.senders.min(plan.rooms);
    let waiting: Vec<PendingSender> = (0..senders)
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
    // The senders connect last, so that none is silent while all others connect.
    for PendingSender { ticks, rooms } in waiting {
        run.wanted.fetch_add(1, Ordering::Relaxed);
        let socket = run.connect(Arc::new(Identity::random())).await?;
        run.connected.fetch_add(1, Ordering::Relaxed);
        let lanes = rooms
            .into_iter()
            .map(|room| SenderLane::new(room.stream, false));
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

/// Opens the rooms of one sender. Their streams have consecutive numbers.
fn open_rooms(run: &Arc<Run>, workload: &mut Workload, count: usize) -> PendingSender {
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
    PendingSender {
        ticks,
        rooms: sources.into_iter().map(open).collect(),
    }
}
