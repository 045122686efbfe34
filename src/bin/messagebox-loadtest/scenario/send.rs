//! `send`: each socket sends to one box and waits for its acks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use messagebox::auth::Identity;
use messagebox::client::{AuthSocket, ClientError};
use messagebox::ids::RoomId;

use crate::options::{MESSAGE_BOX, SendPace};
use crate::run::Run;
use crate::traffic::sender::{Sender, SenderLane};
use crate::traffic::stream::{CompletedBy, Stream};
use crate::workload::Workload;

pub(crate) async fn prepare(
    run: &Arc<Run>,
    sockets: usize,
    offline: bool,
    pace: SendPace,
) -> Result<Workload, ClientError> {
    let mut workload = Workload::new(run, pace);
    let (deliveries, acks) = (run.operation("delivery"), run.operation("ack"));
    for _ in 0..sockets {
        let ready = workload.expect_ready();
        let (sources, ticks) = workload.ticks(1);
        let run = Arc::clone(run);
        let (deliveries, acks) = (Arc::clone(&deliveries), Arc::clone(&acks));
        workload.tasks.spawn(async move {
            let identity = Arc::new(Identity::random());
            let own = identity.identity_key();
            // Nobody has this key, so the message is only stored.
            let nobody = || Identity::random().identity_key();
            let recipient = if offline { nobody() } else { own };
            let room = RoomId::of(&recipient, MESSAGE_BOX);
            let streams = sources.into_iter().map(|source| {
                let stream = Stream::new(&run, room.clone(), recipient, source, CompletedBy::Ack);
                let members = u64::from(!offline);
                stream.members.store(members, Ordering::Release);
                SenderLane::new(Arc::new(stream), !offline)
            });
            let lanes = streams.collect();
            let socket = match open(&run, identity, (!offline).then_some(&room)).await {
                Ok(socket) => socket,
                Err(error) => {
                    run.errors.note("a sender could not connect", &error);
                    let _ = ready.send(false);
                    return crate::measure::accounting::DeliveryTally::default();
                }
            };
            let _ = ready.send(true);
            let sender = Sender {
                run,
                socket,
                ticks,
                lanes,
                acks,
                deliveries,
            };
            sender.work().await
        });
    }
    workload.all_ready().await?;
    Ok(workload)
}

async fn open(
    run: &Run,
    identity: Arc<Identity>,
    room: Option<&RoomId>,
) -> Result<AuthSocket, ClientError> {
    let mut socket = run.connect(identity).await?;
    if let Some(room) = room {
        socket.join(room).await?;
    }
    run.connected.fetch_add(1, Ordering::Relaxed);
    Ok(socket)
}
