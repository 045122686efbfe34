//! A member of a room: a socket that receives its messages.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use messagebox::auth::Identity;
use messagebox::client::{AuthSocket, ClientError};
use tokio::sync::mpsc::UnboundedSender;

use super::marker::Marker;
use super::stream::Stream;
use crate::measure::accounting::{DeliveryTally, SequenceTracker};
use crate::measure::recorder::TimedOperation;
use crate::run::{Run, stopped};

/// Joins, reports on `ready` whether that worked, and receives until the run stops. Gives the tally of its messages.
pub(crate) async fn receive(
    run: Arc<Run>,
    identity: Arc<Identity>,
    stream: Arc<Stream>,
    deliveries: Arc<TimedOperation>,
    ready: UnboundedSender<bool>,
) -> DeliveryTally {
    let mut socket = match join(&run, identity, &stream).await {
        Ok(socket) => {
            stream.members.fetch_add(1, Ordering::AcqRel);
            // After the end of the run, nobody waits.
            let _ = ready.send(true);
            socket
        }
        Err(error) => {
            run.errors.note("a member could not join", &error);
            let _ = ready.send(false);
            return DeliveryTally::default();
        }
    };
    drop(ready);
    let shard = deliveries.shard();
    let mut tracker = SequenceTracker::default();
    let mut stop = run.stopping();
    loop {
        let payload = tokio::select! {
            payload = socket.next_payload(run.reader()) => payload,
            () = stopped(&mut stop) => break,
        };
        match payload {
            Ok(payload) => take(&run, &stream, &payload, &mut tracker, &deliveries, shard),
            Err(error) => {
                run.errors.note("a member's socket ended", &error);
                run.connected.fetch_sub(1, Ordering::Relaxed);
                stopped(&mut stop).await;
                break;
            }
        }
    }
    tracker.finish(stream.due())
}

async fn join(
    run: &Run,
    identity: Arc<Identity>,
    stream: &Stream,
) -> Result<AuthSocket, ClientError> {
    let mut socket = run.connect_member(identity).await?;
    socket.join(&stream.room).await?;
    run.connected.fetch_add(1, Ordering::Relaxed);
    Ok(socket)
}

/// Counts an event, if it is a delivery of this room.
pub(crate) fn take(
    run: &Run,
    stream: &Stream,
    payload: &[u8],
    tracker: &mut SequenceTracker,
    deliveries: &TimedOperation,
    shard: usize,
) {
    // A message of an earlier run does not count.
    let Some(marker) = Marker::find(payload, run.tag) else {
        return;
    };
    if marker.stream != stream.number || !stream.has_sent(marker.sequence) {
        run.foreign.fetch_add(1, Ordering::Relaxed);
    } else if tracker.note(marker.sequence) {
        deliveries.record(shard, marker.intended);
        stream.delivered(run);
    }
}
