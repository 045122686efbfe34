//! From events to frames: pacing, signing and framing.

use std::sync::atomic::Ordering;

use actix::prelude::*;

use crate::auth::SharedPayload;
use crate::engineio::{CloseReason, Frame};
use crate::events::{PlainRefusal, ServerEvent};
use crate::rooms::{Deliver, SlowConsumer};
use crate::socket::{Link, Socket};
use crate::socketio::{Body, EventBody, Namespace, SocketIoPacket};

use super::session::AuthSocketSession;
use super::state::framer::PendingFrame;
use super::state::paced_queue::PushRefused;

impl Handler<Deliver> for Socket<AuthSocketSession> {
    type Result = ();

    fn handle(&mut self, deliver: Deliver, ctx: &mut Self::Context) {
        self.with_application(ctx, |session, link, _| {
            for payload in &*deliver.payloads {
                session.deliver(payload, link);
            }
            session.renew_if_needed(link);
        });
        // Until here the events count as in flight.
        drop(deliver.arrival);
    }
}

impl Handler<SlowConsumer> for Socket<AuthSocketSession> {
    type Result = ();

    fn handle(&mut self, _: SlowConsumer, ctx: &mut Self::Context) {
        self.with_application(ctx, |_, link, _| link.close(CloseReason::SlowConsumer));
    }
}

impl AuthSocketSession {
    /// Sends the JSON of a handshake message.
    pub(super) fn send_auth_message(&mut self, json: String, link: &mut Link<'_>) {
        self.send_answer(PendingFrame::Handshake(json), false, link);
    }

    /// Sends an answer. Answers overtake deliveries, except `leftRoom`: it marks the end of deliveries of a room.
    pub(super) fn send_event(&mut self, event: &ServerEvent<'_>, link: &mut Link<'_>) {
        self.service.counters.answers.add_one();
        self.log_access(event);
        let is_mark = matches!(event, ServerEvent::LeftRoom(_));
        let payload = self.payload(event);
        self.send_answer(PendingFrame::Event(payload), is_mark, link);
    }

    /// Sends the last event before the socket closes, without pacing.
    pub(super) fn send_last(&mut self, event: &ServerEvent<'_>, link: &mut Link<'_>) {
        self.service.counters.answers.add_one();
        self.log_access(event);
        self.write_event(&self.payload(event), link);
    }

    /// Encodes an event. The outbound memory counts it.
    fn payload(&self, event: &ServerEvent<'_>) -> SharedPayload {
        let outbound = &self.service.outbound;
        SharedPayload::new(event.encode()).held_by(|bytes| outbound.count(bytes))
    }

    /// Sends a delivery as soon as the client can verify it. A full queue drops it; the client finds it by listing.
    pub(super) fn deliver(&mut self, payload: &SharedPayload, link: &mut Link<'_>) {
        if self.queue.passes(link.now()) {
            return self.write_event(payload, link);
        }
        let delivery = PendingFrame::Event(payload.clone());
        let bytes = delivery.bytes();
        let queued = self.queue.push_delivery(delivery, bytes);
        self.count_queued(queued, link);
    }

    /// Sends the queued frames that may leave now.
    pub(super) fn send_due(&mut self, link: &mut Link<'_>) {
        while let Some(frame) = self.queue.poll(link.now()) {
            let waiting = &self.service.counters.waiting;
            waiting.fetch_sub(1, Ordering::Relaxed);
            self.write(&frame, link);
        }
    }

    /// Drops the queue when the client has left.
    pub(super) fn drop_queued(&mut self) {
        let dropped = self.queue.clear();
        let dropped = u64::try_from(dropped).unwrap_or(u64::MAX);
        let waiting = &self.service.counters.waiting;
        waiting.fetch_sub(dropped, Ordering::Relaxed);
    }

    fn send_answer(&mut self, answer: PendingFrame, is_mark: bool, link: &mut Link<'_>) {
        if self.queue.passes(link.now()) {
            return self.write(&answer, link);
        }
        let bytes = answer.bytes();
        let queued = if is_mark {
            self.queue.push_mark(answer, bytes)
        } else {
            self.queue.push_answer(answer, bytes)
        };
        self.count_queued(queued, link);
    }

    fn count_queued(&self, queued: Result<(), PushRefused>, link: &mut Link<'_>) {
        let counters = &self.service.counters;
        match queued {
            Ok(()) => {
                counters.waiting.fetch_add(1, Ordering::Relaxed);
            }
            Err(PushRefused::Dropped) => {
                counters.dropped.add_one();
                log::debug!("socket {}: no room for a delivery", self.sid);
            }
            Err(PushRefused::Overflow) => link.close(CloseReason::SlowConsumer),
        }
    }

    fn write(&mut self, frame: &PendingFrame, link: &mut Link<'_>) {
        match (frame, &self.framer) {
            (PendingFrame::Event(payload), _) => self.write_event(payload, link),
            (PendingFrame::Handshake(json), Some(framer)) => link.send(framer.frame(json), &[]),
            (PendingFrame::Handshake(_), None) => {}
        }
    }

    /// Signs an encoded event and sends it. A delivery costs one signature and one frame.
    fn write_event(&mut self, payload: &SharedPayload, link: &mut Link<'_>) {
        let Some(framer) = &self.framer else { return };
        self.upkeep.touch(link.now());
        match framer.frame_around(payload.shared_json(), |out| {
            self.peer.sign_shared(payload, out)
        }) {
            Ok(frame) => link.send(frame, &[]),
            Err(error) => log::debug!("socket {}: an event was not signed: {error}", self.sid),
        }
    }

    /// Answers an unsigned event with an unsigned one.
    pub(super) fn send_plain(namespace: &Namespace, refusal: &PlainRefusal, link: &mut Link<'_>) {
        let data = serde_json::json!([refusal.event, { "reason": refusal.reason }]);
        let event = EventBody {
            ack: None,
            data: data.to_string(),
            attachments: Vec::new(),
        };
        let packet = SocketIoPacket {
            namespace: namespace.clone(),
            body: Body::Event(event),
        };
        Self::send_packet(&packet, link);
    }

    pub(super) fn send_packet(packet: &SocketIoPacket, link: &mut Link<'_>) {
        link.send(Frame::message_with(128, |out| packet.encode_into(out)), &[]);
    }
}
