//! How auth messages become frames of the namespace that carries the session.

use bytestring::ByteString;

use crate::auth::SharedPayload;
use crate::engineio::Frame;
use crate::events::AUTH_MESSAGE;
use crate::socketio::{Body, EventBody, Namespace, SocketIoPacket};

/// Bytes of a frame beside the payload: keys, nonces, signature, names.
const ENVELOPE_BYTES: usize = 700;

#[derive(Debug)]
pub(crate) struct EventFramer {
    /// Everything before the JSON of the auth message: `2["authMessage",`.
    prefix: String,
}

impl EventFramer {
    pub(crate) fn new(namespace: Namespace) -> Self {
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

    pub(crate) fn frame(&self, json: &str) -> Frame {
        Frame::message_with(self.prefix.len() + json.len() + 1, |out| {
            out.push_str(&self.prefix);
            out.push_str(json);
            out.push(']');
        })
    }

    /// Frames an auth message that shares the JSON of its payload with other frames.
    ///
    /// `write` appends the auth message without the payload, and returns where the payload belongs.
    pub(crate) fn frame_around<E>(
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
pub(crate) enum PendingFrame {
    /// The JSON of a handshake message.
    Handshake(String),
    /// An event. It is signed when it leaves, in the newest session.
    Event(SharedPayload),
}

impl PendingFrame {
    /// Bytes of the frame while it is queued.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Handshake(json) => json.len(),
            Self::Event(payload) => payload.json().len(),
        }
    }
}
