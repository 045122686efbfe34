//! From server events to frames: signing and framing.

use bytestring::ByteString;

use crate::auth::SharedPayload;
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
        Frame::message_around(ENVELOPE_BYTES, payload, |out| {
            out.push_str(&self.prefix);
            let at = write(out)?;
            out.push(']');
            Ok(at)
        })
    }
}

impl AuthSocket {
    /// Sends an auth message that is JSON already.
    pub(super) fn send_auth_message(&self, json: &str, link: &mut Link<'_>) {
        let Some(speech) = &self.speech else { return };
        link.send(speech.frame(json), &[]);
    }

    /// Signs an event and sends it.
    pub(super) fn send_event(&self, event: &ServerEvent<'_>, link: &mut Link<'_>) {
        self.service.counters.answers.add_one();
        self.send_payload(&SharedPayload::new(event.encode()), link);
    }

    /// Signs an encoded event and sends it. All that a delivery costs here is one signature and one frame.
    pub(super) fn send_payload(&self, payload: &SharedPayload, link: &mut Link<'_>) {
        let Some(speech) = &self.speech else { return };
        match speech.frame_around(payload.shared_json(), |out| {
            self.peer.sign_around(payload, out)
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
