//! AuthSocket: Socket.IO events signed by BRC-103.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use crate::auth::{AuthMessage, Handled, Identity, Peer, PeerConfig, SharedPayload};
use crate::events;
use crate::ids::{IdentityKey, RoomId};
use crate::throttle::Throttle;

use super::error::ClientError;
use super::message_box::SendOutcome;
use super::message_box::outgoing::{MessageFields, OutgoingMessage};
use super::received_event::ReceivedEvent;
use super::socket_io::SocketIo;
use super::transport::Connector;

/// Reads the payload of an auth message without verifying it. Returns `None` unless the message is a general one.
///
/// A load generator needs one, because verifying every event would cost it more than signing costs the server. Never
/// act on such a payload.
pub type UnverifiedReader = fn(&str) -> Option<Vec<u8>>;

/// An event that only keeps the session alive. Verifying it is all there is to do.
const KEEP_ALIVE: &[u8] = br#"{"eventName":"keepAlive","#;

/// A socket on which both sides have authenticated.
#[derive(Debug)]
pub struct AuthSocket {
    socket: SocketIo,
    peer: Peer,
    identity_key: IdentityKey,
    server_key: IdentityKey,
}

/// An event before it is signed.
#[derive(Serialize)]
struct Outgoing<'a, T> {
    #[serde(rename = "eventName")]
    name: &'a str,
    data: &'a T,
}

#[derive(Serialize)]
struct Authenticated {
    #[serde(rename = "identityKey")]
    identity_key: String,
    /// The fastest rate, because this client verifies a frame in microseconds and never drops one.
    pace: Throttle,
}

#[derive(Serialize)]
struct RoomMessage<'a> {
    #[serde(rename = "roomId")]
    room: &'a str,
    message: MessageFields<'a>,
}

impl AuthSocket {
    /// Connects, completes the handshake, and waits for `authenticationSuccess`.
    ///
    /// # Errors
    /// [`ClientError`] if any of these steps fails.
    pub async fn connect(
        connector: &Connector,
        identity: Arc<Identity>,
    ) -> Result<Self, ClientError> {
        let mut socket = SocketIo::connect(connector).await?;
        let identity_key = identity.identity_key();
        let mut peer = Peer::new(identity, PeerConfig::default());
        socket.send(&peer.start_handshake()?).await?;
        let server_key = loop {
            let json = socket.next().await?;
            match peer.handle(&AuthMessage::parse(&json)?)? {
                Handled::Established(server_key) => break server_key,
                Handled::Reply(reply) => socket.send(&reply).await?,
                _ => {}
            }
        };
        let mut socket = Self {
            socket,
            peer,
            identity_key,
            server_key,
        };
        let named = Authenticated {
            identity_key: identity_key.to_hex(),
            pace: Throttle::FASTEST,
        };
        socket.emit(events::AUTHENTICATED, &named).await?;
        socket
            .wait_for(
                events::AUTHENTICATION_SUCCESS,
                events::AUTHENTICATION_FAILED,
            )
            .await?;
        Ok(socket)
    }

    /// The identity key of this client.
    #[must_use]
    pub const fn identity_key(&self) -> IdentityKey {
        self.identity_key
    }

    /// The authenticated identity key of the server.
    #[must_use]
    pub const fn server_key(&self) -> IdentityKey {
        self.server_key
    }

    /// Joins a room and waits for the server's confirmation.
    ///
    /// # Errors
    /// [`ClientError::EventRefused`] if the server refuses, or another [`ClientError`].
    pub async fn join(&mut self, room: &RoomId) -> Result<(), ClientError> {
        self.emit(events::JOIN_ROOM, &room.as_str()).await?;
        self.wait_for(events::JOINED_ROOM, events::JOIN_FAILED)
            .await
    }

    /// Signs and sends an event.
    ///
    /// # Errors
    /// [`ClientError`] if the connection is closed, or the data does not serialize.
    pub async fn emit(&mut self, name: &str, data: &impl Serialize) -> Result<(), ClientError> {
        let payload = serde_json::to_vec(&Outgoing { name, data })
            .map_err(|_| ClientError::Unexpected("data that does not serialize"))?;
        let mut json = String::new();
        self.peer.sign(&SharedPayload::new(payload), &mut json)?;
        self.socket.send(&json).await
    }

    /// Sends a message to a room and waits until the server stored it. Other events that arrive meanwhile are dropped.
    ///
    /// ```no_run
    /// # use messagebox::client::{AuthSocket, OutgoingMessage, encrypt_body, message_id};
    /// # use messagebox::ids::RoomId;
    /// # async fn example(
    /// #     mut socket: AuthSocket, alice: messagebox::auth::Identity, bob: messagebox::ids::IdentityKey,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let id = message_id(&alice, bob, "hello")?;
    /// let body = encrypt_body(&alice, bob, "hello")?;
    /// let message = OutgoingMessage {
    ///     recipient: bob, message_box: "inbox", message_id: &id, body: &body, expires_at: None,
    /// };
    /// socket.send_message(&message).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ClientError::EventRefused`] if the server did not store it, or another [`ClientError`].
    pub async fn send_message(
        &mut self,
        message: &OutgoingMessage<'_>,
    ) -> Result<SendOutcome, ClientError> {
        let room = RoomId::of(&message.recipient, message.message_box);
        let message = RoomMessage {
            room: room.as_str(),
            message: message.for_room()?,
        };
        self.emit(events::SEND_MESSAGE, &message).await?;
        let ack = format!("{}-{room}", events::SEND_MESSAGE_ACK);
        loop {
            let event = self.next_event().await?;
            if event.name == ack {
                let already = event.data.get("alreadySent").and_then(Value::as_bool);
                return match event.text("status") {
                    "success" if already == Some(true) => Ok(SendOutcome::Already),
                    "success" => Ok(SendOutcome::Stored),
                    _ => Err(event.into_refusal()),
                };
            }
        }
    }

    /// Waits for the next event and verifies it. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`ClientError`] if the connection is closed, or an event does not verify.
    pub async fn next_event(&mut self) -> Result<ReceivedEvent, ClientError> {
        ReceivedEvent::parse(&self.next_payload(None).await?)
    }

    /// Waits for the payload of the next event. With a reader the payload is not verified: see [`UnverifiedReader`].
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// As [`Self::next_event`].
    pub async fn next_payload(
        &mut self,
        reader: Option<UnverifiedReader>,
    ) -> Result<Bytes, ClientError> {
        loop {
            let json = self.socket.next().await?;
            // The first event of a new session authenticates the server. Before that, nothing can be signed in it.
            if let Some(reader) = reader
                && !self.peer.awaits_authentication()
                && let Some(payload) = reader(&json)
            {
                if payload.starts_with(KEEP_ALIVE) {
                    continue;
                }
                return Ok(payload.into());
            }
            match self.peer.handle(&AuthMessage::parse(&json)?)? {
                Handled::General(verified) if verified.payload.starts_with(KEEP_ALIVE) => {}
                Handled::General(verified) => return Ok(verified.payload),
                // The server started a handshake.
                Handled::Reply(reply) => self.socket.enqueue(&reply),
                _ => {}
            }
        }
    }

    /// Closes the socket and waits briefly for the server to close it too.
    pub async fn close(self) {
        self.socket.close().await;
    }

    /// Drops events until `success` or `failure` arrives.
    async fn wait_for(&mut self, success: &str, failure: &str) -> Result<(), ClientError> {
        loop {
            let event = self.next_event().await?;
            if event.name == success {
                return Ok(());
            }
            if event.name == failure {
                return Err(event.into_refusal());
            }
        }
    }
}
