//! A socket that sends to rooms and waits for its acks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use messagebox::client::{AuthSocket, ClientError, ReceivedEvent};
use messagebox::events;
use serde::Serialize;
use tokio::sync::mpsc::UnboundedReceiver;

use super::marker::Marker;
use super::member;
use super::source::Tick;
use super::stream::Stream;
use crate::measure::accounting::{DeliveryTally, SequenceTracker};
use crate::measure::recorder::TimedOperation;
use crate::run::{Run, stopped};

#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) run: Arc<Run>,
    pub(crate) socket: AuthSocket,
    pub(crate) ticks: UnboundedReceiver<Tick>,
    pub(crate) lanes: Vec<SenderLane>,
    pub(crate) acks: Arc<TimedOperation>,
    pub(crate) deliveries: Arc<TimedOperation>,
}

/// One stream of a sender.
#[derive(Debug)]
pub(crate) struct SenderLane {
    stream: Arc<Stream>,
    acks: SequenceTracker,
    /// Deliveries to the sender, if it is a member of the room itself.
    own: Option<SequenceTracker>,
}

impl SenderLane {
    pub(crate) fn new(stream: Arc<Stream>, is_member: bool) -> Self {
        Self {
            stream,
            acks: SequenceTracker::default(),
            own: is_member.then(SequenceTracker::default),
        }
    }
}

#[derive(Serialize)]
struct SendMessage<'a> {
    #[serde(rename = "roomId")]
    room: &'a str,
    message: Outgoing<'a>,
}

#[derive(Serialize)]
struct Outgoing<'a> {
    #[serde(rename = "messageId")]
    message_id: &'a str,
    recipient: String,
    body: &'a str,
}

/// The kind of an event for its sender.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Ack,
    Delivery,
    Failure,
    Other,
}

impl Kind {
    fn of(payload: &[u8]) -> Self {
        let names = [
            ("\"sendMessageAck-", Self::Ack),
            ("\"sendMessage-", Self::Delivery),
            ("\"messageFailed\"", Self::Failure),
            ("\"paymentFailed\"", Self::Failure),
        ];
        // The name is near the head, before the body.
        let contains = |name: &str| {
            payload
                .windows(name.len())
                .any(|part| part == name.as_bytes())
        };
        names
            .into_iter()
            .find_map(|(name, kind)| contains(name).then_some(kind))
            .unwrap_or(Self::Other)
    }
}

impl Sender {
    /// Sends and receives until the run stops. Gives the tally of acks and of deliveries to itself.
    pub(crate) async fn work(mut self) -> DeliveryTally {
        let mut stop = self.run.stopping();
        let (acks, deliveries) = (self.acks.shard(), self.deliveries.shard());
        loop {
            let result = tokio::select! {
                payload = self.socket.next_payload(self.run.reader()) => {
                    payload.map(|payload| self.take(&payload, acks, deliveries))
                }
                Some(tick) = self.ticks.recv() => self.send(tick).await,
                () = stopped(&mut stop) => break,
            };
            if let Err(error) = result {
                self.run.errors.note("a sender's socket ended", &error);
                self.run.connected.fetch_sub(1, Ordering::Relaxed);
                stopped(&mut stop).await;
                break;
            }
        }
        // Scheduled messages that were never sent.
        while self.ticks.try_recv().is_ok() {
            self.run.unsent.fetch_add(1, Ordering::Relaxed);
        }
        let mut tally = DeliveryTally::default();
        for lane in &self.lanes {
            tally += lane.acks.finish(lane.stream.sent());
            if let Some(own) = &lane.own {
                tally += own.finish(lane.stream.due());
            }
        }
        tally
    }

    async fn send(&mut self, tick: Tick) -> Result<(), ClientError> {
        let Some(lane) = self.lanes.get(tick.local) else {
            return Ok(());
        };
        let now = self.run.clock.now();
        if now >= self.run.clock.measured_to() {
            let scheduled = u64::from(tick.intended.is_some());
            self.run.unsent.fetch_add(scheduled, Ordering::Relaxed);
            return Ok(());
        }
        let stream = &lane.stream;
        let marker = Marker {
            run: self.run.tag,
            stream: stream.number,
            sequence: stream.take_place(&self.run),
            intended: tick.intended.unwrap_or(now),
        };
        let message = SendMessage {
            room: stream.room.as_str(),
            message: Outgoing {
                message_id: &marker.to_string(),
                recipient: stream.recipient.to_hex(),
                body: &marker.body(self.run.options.body),
            },
        };
        self.socket.emit(events::SEND_MESSAGE, &message).await
    }

    fn take(&mut self, payload: &[u8], acks: usize, deliveries: usize) {
        match Kind::of(payload) {
            Kind::Ack => self.take_ack(payload, acks),
            Kind::Delivery => self.take_delivery(payload, deliveries),
            Kind::Failure => match ReceivedEvent::parse(payload) {
                Ok(event) => self.run.errors.note("refused", &event.into_refusal()),
                Err(error) => self.run.errors.note("refused", &error),
            },
            Kind::Other => {}
        }
    }

    fn take_ack(&mut self, payload: &[u8], shard: usize) {
        let Some((marker, lane)) = self.lane_of(payload) else {
            return;
        };
        if !lane.acks.note(marker.sequence) {
            return;
        }
        let stream = Arc::clone(&lane.stream);
        match ReceivedEvent::parse(payload) {
            Ok(event) if event.text("status") == "success" => {
                self.acks.record(shard, marker.intended);
            }
            Ok(event) => {
                self.run
                    .errors
                    .note("not acknowledged", &event.text("reason"));
                stream.refused(&self.run);
            }
            Err(error) => self.run.errors.note("an ack", &error),
        }
        stream.acked(&self.run);
    }

    fn take_delivery(&mut self, payload: &[u8], shard: usize) {
        let run = Arc::clone(&self.run);
        let operation = Arc::clone(&self.deliveries);
        // Some servers send every delivery to everybody, including the sender.
        if let Some((_, lane)) = self.lane_of(payload)
            && let Some(own) = &mut lane.own
        {
            member::take(&run, &lane.stream, payload, own, &operation, shard);
        }
    }

    /// The marker of a payload, and its lane.
    fn lane_of(&mut self, payload: &[u8]) -> Option<(Marker, &mut SenderLane)> {
        let marker = Marker::find(payload, self.run.tag)?;
        // The lanes of a sender have consecutive numbers.
        let first = self.lanes.first()?.stream.number;
        let index = usize::try_from(marker.stream.checked_sub(first)?).ok()?;
        let lane = self.lanes.get_mut(index)?;
        lane.stream
            .has_sent(marker.sequence)
            .then_some((marker, lane))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_recognized_by_name() {
        let cases = [
            (
                r#"{"eventName":"sendMessageAck-02-x","data":{}}"#,
                Kind::Ack,
            ),
            (
                r#"{"eventName":"sendMessage-02-x","data":{}}"#,
                Kind::Delivery,
            ),
            (r#"{"eventName": "messageFailed"}"#, Kind::Failure),
            (r#"{"eventName":"paymentFailed"}"#, Kind::Failure),
            (r#"{"eventName":"joinedRoom"}"#, Kind::Other),
            ("", Kind::Other),
        ];
        for (payload, kind) in cases {
            assert_eq!(Kind::of(payload.as_bytes()), kind, "{payload}");
        }
    }
}
