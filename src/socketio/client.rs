//! The machine of one client: which namespaces it has joined, and what may come when.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::ids::Sid;
use crate::json_depth;

use super::attachments::Partial;
use super::config::SocketIoConfig;
use super::decode::decode;
use super::error::{ProtocolError, SocketIoDecodeError};
use super::packet::{AckBody, Body, EventBody, Namespace, SocketIoPacket};

/// What a client did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketIoEvent {
    /// It wants to join a namespace that exists: [`SocketIoClient::accept`] or [`SocketIoClient::refuse`] it.
    Connect {
        /// Which.
        namespace: Namespace,
        /// JSON object that it sent along.
        payload: Option<String>,
    },
    /// It sent an event.
    Event {
        /// Where.
        namespace: Namespace,
        /// What.
        body: EventBody,
    },
    /// It acknowledged an event of ours.
    Ack {
        /// Where.
        namespace: Namespace,
        /// What.
        body: AckBody,
    },
    /// It left a namespace; the connection goes on.
    Disconnect {
        /// Which.
        namespace: Namespace,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Membership {
    Asked,
    Joined,
    /// Packets that were under way when it was left are ignored.
    Left,
}

/// The server's side of one client.
#[derive(Debug)]
pub struct SocketIoClient {
    config: Arc<SocketIoConfig>,
    namespaces: HashMap<Namespace, Membership>,
    /// Set until the first namespace is joined.
    connect_deadline: Option<Instant>,
    partial: Option<Partial>,
    events: VecDeque<SocketIoEvent>,
    transmits: VecDeque<SocketIoPacket>,
}

impl SocketIoClient {
    /// A client that has joined nothing yet.
    #[must_use]
    pub fn new(config: Arc<SocketIoConfig>, now: Instant) -> Self {
        Self {
            namespaces: HashMap::new(),
            connect_deadline: Some(now + config.connect_timeout),
            partial: None,
            events: VecDeque::new(),
            transmits: VecDeque::new(),
            config,
        }
    }

    /// Takes a text message.
    ///
    /// # Errors
    /// [`ProtocolError`]: the connection must be closed.
    pub fn handle_text(&mut self, text: &str) -> Result<(), ProtocolError> {
        if self.partial.is_some() {
            return Err(ProtocolError::AttachmentsMissing);
        }
        if json_depth::is_deeper(text.as_bytes(), self.config.max_json_depth) {
            return Err(SocketIoDecodeError::TooDeep.into());
        }
        let (packet, attachments) = decode(text, self.config.max_attachments)?;
        if attachments > 0 {
            self.partial = Some(Partial::new(packet, attachments));
            return Ok(());
        }
        self.handle_packet(packet)
    }

    /// Takes a binary message: an attachment.
    ///
    /// # Errors
    /// [`ProtocolError`]: the connection must be closed.
    pub fn handle_binary(&mut self, bytes: Bytes) -> Result<(), ProtocolError> {
        let partial = self
            .partial
            .take()
            .ok_or(ProtocolError::UnexpectedAttachment)?;
        match partial.add(bytes, self.config.max_attachment_bytes)? {
            Ok(packet) => self.handle_packet(packet),
            Err(partial) => {
                self.partial = Some(partial);
                Ok(())
            }
        }
    }

    /// Bytes of the packet whose attachments have not all come.
    #[must_use]
    pub fn partial_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, Partial::bytes)
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.connect_deadline
    }

    /// Does what is due by `now`.
    ///
    /// # Errors
    /// [`ProtocolError::ConnectTimeout`]: the connection must be closed.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), ProtocolError> {
        match self.connect_deadline {
            Some(deadline) if deadline <= now => Err(ProtocolError::ConnectTimeout),
            _ => Ok(()),
        }
    }

    /// The next thing that the client did; drain after every `handle_*` call.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<SocketIoEvent> {
        self.events.pop_front()
    }

    /// The next packet that the machine itself has to send; drain after every `handle_*` call.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<SocketIoPacket> {
        self.transmits.pop_front()
    }

    /// Lets a client join: the packet that says so. `None` if it does not ask for it any more.
    #[must_use]
    pub fn accept(&mut self, namespace: &Namespace, sid: Sid) -> Option<SocketIoPacket> {
        let membership = self.namespaces.get_mut(namespace)?;
        if *membership != Membership::Asked {
            return None;
        }
        *membership = Membership::Joined;
        self.connect_deadline = None;
        Some(SocketIoPacket {
            namespace: namespace.clone(),
            body: Body::Connect(Some(format!(r#"{{"sid":"{sid}"}}"#))),
        })
    }

    /// Does not let a client join: the packet that says why.
    #[must_use]
    pub fn refuse(&mut self, namespace: &Namespace, message: &str) -> Option<SocketIoPacket> {
        if self.namespaces.get(namespace) != Some(&Membership::Asked) {
            return None;
        }
        self.namespaces.remove(namespace);
        Some(connect_error(namespace.clone(), message))
    }

    /// Puts a client out of a namespace: the packet that says so.
    #[must_use]
    pub fn disconnect(&mut self, namespace: &Namespace) -> Option<SocketIoPacket> {
        if !self.is_joined(namespace) {
            return None;
        }
        self.namespaces.insert(namespace.clone(), Membership::Left);
        Some(SocketIoPacket {
            namespace: namespace.clone(),
            body: Body::Disconnect,
        })
    }

    /// Whether the client has joined this namespace.
    #[must_use]
    pub fn is_joined(&self, namespace: &Namespace) -> bool {
        self.namespaces.get(namespace) == Some(&Membership::Joined)
    }

    fn handle_packet(&mut self, packet: SocketIoPacket) -> Result<(), ProtocolError> {
        let SocketIoPacket { namespace, body } = packet;
        let body = match body {
            Body::Connect(payload) => {
                self.handle_connect(namespace, payload);
                return Ok(());
            }
            Body::ConnectError(_) => return Err(ProtocolError::WrongDirection),
            other => other,
        };
        match self.namespaces.get(&namespace) {
            Some(Membership::Joined) => {}
            Some(Membership::Left) => return Ok(()),
            Some(Membership::Asked) | None => return Err(ProtocolError::NotJoined),
        }
        self.events.push_back(match body {
            Body::Event(body) => SocketIoEvent::Event { namespace, body },
            Body::Ack(body) => SocketIoEvent::Ack { namespace, body },
            Body::Disconnect | Body::Connect(_) | Body::ConnectError(_) => {
                self.namespaces.insert(namespace.clone(), Membership::Left);
                SocketIoEvent::Disconnect { namespace }
            }
        });
        Ok(())
    }

    /// Joining twice is a mistake that harms nobody, so it is ignored.
    fn handle_connect(&mut self, namespace: Namespace, payload: Option<String>) {
        if !self.config.namespaces.contains(&namespace) {
            self.transmits
                .push_back(connect_error(namespace, "Invalid namespace"));
            return;
        }
        if matches!(
            self.namespaces.get(&namespace),
            Some(Membership::Asked | Membership::Joined)
        ) {
            return;
        }
        self.namespaces.insert(namespace.clone(), Membership::Asked);
        self.events
            .push_back(SocketIoEvent::Connect { namespace, payload });
    }
}

fn connect_error(namespace: Namespace, message: &str) -> SocketIoPacket {
    SocketIoPacket {
        namespace,
        body: Body::ConnectError(serde_json::json!({ "message": message }).to_string()),
    }
}

#[cfg(test)]
mod tests;
