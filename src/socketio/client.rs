//! The state machine of one client: its namespaces, and which packets it may send when.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::ids::Sid;
use crate::json_depth;

use super::attachments::{Partial, Progress};
use super::config::SocketIoConfig;
use super::decode::decode;
use super::error::{ProtocolError, SocketIoDecodeError};
use super::packet::{AckBody, Body, EventBody, Namespace, SocketIoPacket};

/// What the client did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketIoEvent {
    /// The client asks to join an existing namespace: [`SocketIoClient::accept`] or [`SocketIoClient::refuse`] it.
    Connect {
        /// The namespace to join.
        namespace: Namespace,
        /// The JSON object that the client sent with the request.
        payload: Option<String>,
    },
    /// The client sent an event.
    Event {
        /// The namespace of the event.
        namespace: Namespace,
        /// The event with all its attachments.
        body: EventBody,
    },
    /// The client acknowledged an event of the server.
    Ack {
        /// The namespace of the event.
        namespace: Namespace,
        /// The ack with all its attachments.
        body: AckBody,
    },
    /// The client left a namespace. The connection stays open.
    Disconnect {
        /// The namespace that it left.
        namespace: Namespace,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Membership {
    Requested,
    Joined,
    /// Late packets for it are ignored.
    Left,
}

/// The server's state of one client.
#[derive(Debug)]
pub struct SocketIoClient {
    config: Arc<SocketIoConfig>,
    namespaces: HashMap<Namespace, Membership>,
    /// Set until the client joins its first namespace.
    connect_deadline: Option<Instant>,
    partial: Option<Partial>,
    events: VecDeque<SocketIoEvent>,
    transmits: VecDeque<SocketIoPacket>,
}

impl SocketIoClient {
    /// A client that has joined no namespace.
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

    /// Handles a text message.
    ///
    /// # Errors
    /// [`ProtocolError`]; the driver must close the connection.
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

    /// Handles a binary message, which is an attachment.
    ///
    /// # Errors
    /// [`ProtocolError`]; the driver must close the connection.
    pub fn handle_binary(&mut self, bytes: Bytes) -> Result<(), ProtocolError> {
        let partial = self
            .partial
            .take()
            .ok_or(ProtocolError::UnexpectedAttachment)?;
        match partial.add(bytes, self.config.max_attachment_bytes)? {
            Progress::Complete(packet) => self.handle_packet(packet),
            Progress::Partial(partial) => {
                self.partial = Some(partial);
                Ok(())
            }
        }
    }

    /// Bytes of the packet that still lacks attachments.
    #[must_use]
    pub fn partial_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, Partial::bytes)
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.connect_deadline
    }

    /// Checks the deadline for joining a namespace.
    ///
    /// # Errors
    /// [`ProtocolError::ConnectTimeout`]; the driver must close the connection.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), ProtocolError> {
        match self.connect_deadline {
            Some(deadline) if deadline <= now => Err(ProtocolError::ConnectTimeout),
            _ => Ok(()),
        }
    }

    /// The next event of the client. Drain it after every `handle_*` call.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<SocketIoEvent> {
        self.events.pop_front()
    }

    /// The next packet to send. Drain it after every `handle_*` call.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<SocketIoPacket> {
        self.transmits.pop_front()
    }

    /// Lets the client join. Returns the packet to send, or `None` if the client no longer asks to join.
    #[must_use]
    pub fn accept(&mut self, namespace: &Namespace, sid: Sid) -> Option<SocketIoPacket> {
        let membership = self.namespaces.get_mut(namespace)?;
        if *membership != Membership::Requested {
            return None;
        }
        *membership = Membership::Joined;
        self.connect_deadline = None;
        Some(SocketIoPacket {
            namespace: namespace.clone(),
            body: Body::Connect(Some(format!(r#"{{"sid":"{sid}"}}"#))),
        })
    }

    /// Refuses to let the client join. Returns the packet to send, or `None` if the client no longer asks to join.
    #[must_use]
    pub fn refuse(&mut self, namespace: &Namespace, message: &str) -> Option<SocketIoPacket> {
        if self.namespaces.get(namespace) != Some(&Membership::Requested) {
            return None;
        }
        self.namespaces.remove(namespace);
        Some(connect_error(namespace.clone(), message))
    }

    /// Removes the client from a namespace. Returns the packet to send, or `None` if the client has not joined it.
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
            Some(Membership::Requested) | None => return Err(ProtocolError::NotJoined),
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

    /// Joining twice is harmless, so a second request is ignored.
    fn handle_connect(&mut self, namespace: Namespace, payload: Option<String>) {
        if !self.config.namespaces.contains(&namespace) {
            self.transmits
                .push_back(connect_error(namespace, "Invalid namespace"));
            return;
        }
        if matches!(
            self.namespaces.get(&namespace),
            Some(Membership::Requested | Membership::Joined)
        ) {
            return;
        }
        self.namespaces
            .insert(namespace.clone(), Membership::Requested);
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
