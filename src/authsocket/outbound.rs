//! From server events to frames: signing and framing.

use std::sync::atomic::Ordering;

use bytestring::ByteString;

use crate::auth::SharedPayload;
use crate::engineio::{CloseReason, Frame};
use crate::events::{AUTH_MESSAGE, PlainRefusal, ServerEvent};
use crate::socket::Link;
use crate::socketio::{Body, EventBody, Namespace, SocketIoPacket};

use super::application::AuthSocket;
use super::paced::NoRoom;

/// Room in a frame for everything but the payload: keys, nonces, signature, names.
const ENVELOPE_BYTES: usize = 700;

/// How auth messages are framed on the namespace that carries them.
#[derive(Debug)]
pub(super) struct Speech {
    /// Everything before the auth message's JSON: `2["authMessage",`.
    prefix: String,
}

impl Speech {
    pub(super) fn new(namespace: Namespace) -> Self {
        let event = EventBody {
            ack: None,
            data: format!("[\"{AUTH_MESSAGE}\","),
            attachments: Vec::new(),
        };
        let packet = SocketIoPacket {
            namespace,
            body: Body::Event(event),
        };
        Self {
            prefix: packet.encode(),
        }
    }

    fn frame(&self, json: &str) -> Frame {
        Frame::message_with(self.prefix.len() + json.len() + 1, |out| {
            out.push_str(&self.prefix);
            out.push_str(json);
            out.push(']');
        })
    }

    /// `write` appends an auth message around its shared payload, and says where that comes.
    fn frame_around<E>(
        &self,
        payload: ByteString,
        write: impl FnOnce(&mut String) -> Result<usize, E>,
    ) -> Result<Frame, E> {
        Frame::shared_message(ENVELOPE_BYTES, payload, |out| {
            out.push_str(&self.prefix);
            let at = write(out)?;
            out.push(']');
            Ok(at)
        })
    }
}

/// An auth message to send now or later.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// A message of a handshake, as JSON.
    Handshake(String),
    /// An event. It is signed when it leaves, in the newest session.
    Event(SharedPayload),
}

impl Outgoing {
    /// Bytes that it holds while it waits.
    fn bytes(&self) -> usize {
        match self {
            Self::Handshake(json) => json.len(),
            Self::Event(payload) => payload.json().len(),
        }
    }
}

impl AuthSocket {
    /// Sends a message of a handshake.
    pub(super) fn send_auth_message(&mut self, json: String, link: &mut Link<'_>) {
        self.send_answer(Outgoing::Handshake(json), false, link);
    }

    /// Sends an answer. Answers overtake deliveries, except `leftRoom`: it marks the end of a room's deliveries.
    pub(super) fn send_event(&mut self, event: &ServerEvent<'_>, link: &mut Link<'_>) {
        self.service.counters.answers.add_one();
        self.log_access(event);
        let is_mark = matches!(event, ServerEvent::LeftRoom(_));
        let payload = self.payload(event);
        self.send_answer(Outgoing::Event(payload), is_mark, link);
    }

    /// Sends the last event before the socket closes, without pacing.
    pub(super) fn send_last(&mut self, event: &ServerEvent<'_>, link: &mut Link<'_>) {
        self.service.counters.answers.add_one();
        self.log_access(event);
        self.write_event(&self.payload(event), link);
    }

    /// Encodes an event; it counts in the memory of what waits for sockets.
    fn payload(&self, event: &ServerEvent<'_>) -> SharedPayload {
        let outbound = &self.service.outbound;
        SharedPayload::new(event.encode()).held_by(|bytes| outbound.count(bytes))
    }

    /// Sends a delivery as soon as the client can verify it. A full queue drops it; the client finds it by listing.
    pub(super) fn deliver(&mut self, payload: &SharedPayload, link: &mut Link<'_>) {
        if self.queue.passes(link.now()) {
            return self.write_event(payload, link);
        }
        let delivery = Outgoing::Event(payload.clone());
        let bytes = delivery.bytes();
        let queued = self.queue.push_delivery(delivery, bytes);
        self.count_queued(queued, link);
    }

    /// Sends the queued frames that may leave now.
    pub(super) fn send_due(&mut self, link: &mut Link<'_>) {
        while let Some(outgoing) = self.queue.poll(link.now()) {
            let waiting = &self.service.counters.waiting;
            waiting.fetch_sub(1, Ordering::Relaxed);
            self.write(&outgoing, link);
        }
    }

    /// Drops the queue when the client has left.
    pub(super) fn drop_waiting(&mut self) {
        let dropped = self.queue.clear();
        let dropped = u64::try_from(dropped).unwrap_or(u64::MAX);
        let waiting = &self.service.counters.waiting;
        waiting.fetch_sub(dropped, Ordering::Relaxed);
    }

    fn send_answer(&mut self, answer: Outgoing, is_mark: bool, link: &mut Link<'_>) {
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

    fn count_queued(&self, queued: Result<(), NoRoom>, link: &mut Link<'_>) {
        let counters = &self.service.counters;
        match queued {
            Ok(()) => {
                counters.waiting.fetch_add(1, Ordering::Relaxed);
            }
            Err(NoRoom::Dropped) => {
                counters.dropped.add_one();
                log::debug!("socket {}: no room for a delivery", self.sid);
            }
            Err(NoRoom::Overflow) => link.close(CloseReason::SlowConsumer),
        }
    }

    fn write(&mut self, outgoing: &Outgoing, link: &mut Link<'_>) {
        match (outgoing, &self.speech) {
            (Outgoing::Event(payload), _) => self.write_event(payload, link),
            (Outgoing::Handshake(json), Some(speech)) => link.send(speech.frame(json), &[]),
            (Outgoing::Handshake(_), None) => {}
        }
    }

    /// Signs an encoded event and sends it. All that a delivery costs here is one signature and one frame.
    fn write_event(&mut self, payload: &SharedPayload, link: &mut Link<'_>) {
        let Some(speech) = &self.speech else { return };
        self.upkeep.touch(link.now());
        match speech.frame_around(payload.shared_json(), |out| {
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
