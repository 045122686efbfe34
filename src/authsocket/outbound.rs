//! From server events to frames: signing and framing.

use crate::auth::{AuthError, SharedPayload};
use crate::engineio::Frame;
use crate::events::{AUTH_MESSAGE, PlainRefusal, ServerEvent};
use crate::socket::Link;
use crate::socketio::{Body, EventBody, Namespace, Packet};

use super::application::AuthSocket;

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
        let packet = Packet {
            namespace,
            body: Body::Event(event),
        };
        Self {
            prefix: packet.encode(),
        }
    }

    fn frame<E>(
        &self,
        capacity: usize,
        write: impl FnOnce(&mut String) -> Result<(), E>,
    ) -> Result<Frame, E> {
        let mut written = Ok(());
        let frame = Frame::message_with(capacity, |out| {
            out.push_str(&self.prefix);
            written = write(out);
            out.push(']');
        });
        written.map(|()| frame)
    }
}

impl AuthSocket {
    /// Sends an auth message that is JSON already.
    pub(super) fn send_auth_message(&self, json: &str, link: &mut Link<'_>) {
        let Some(speech) = &self.speech else { return };
        let write = |out: &mut String| {
            out.push_str(json);
            Ok::<(), AuthError>(())
        };
        if let Ok(frame) = speech.frame(json.len() + 64, write) {
            link.send(frame, &[]);
        }
    }

    /// Signs an event and sends it.
    pub(super) fn send_event(&self, event: &ServerEvent<'_>, link: &mut Link<'_>) {
        self.send_payload(&SharedPayload::new(event.encode()), link);
    }

    /// Signs an encoded event and sends it. All that a delivery costs here is one signature and one frame.
    pub(super) fn send_payload(&self, payload: &SharedPayload, link: &mut Link<'_>) {
        let Some(speech) = &self.speech else { return };
        let capacity = payload.json().len() + ENVELOPE_BYTES;
        match speech.frame(capacity, |out| self.peer.sign(payload, out)) {
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
        let packet = Packet {
            namespace: namespace.clone(),
            body: Body::Event(event),
        };
        Self::send_packet(&packet, link);
    }

    pub(super) fn send_packet(packet: &Packet, link: &mut Link<'_>) {
        link.send(Frame::message_with(128, |out| packet.encode_into(out)), &[]);
    }
}
