//! AuthSocket: events signed by BRC-103, over Socket.IO.

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

/// Reads the payload of an auth message without verifying it; `None` where the message is not a general one.
///
/// A load generator has one, because verifying every event would cost it more than signing costs the server. Never
/// act on a payload that was read this way.
pub type UnverifiedReader = fn(&str) -> Option<Vec<u8>>;

/// What the server sends to keep a session alive: it has done so by being verified.
const KEEP_ALIVE: &[u8] = br#"{"eventName":"keepAlive","#;

/// A socket whose both ends have proven their keys.
#[derive(Debug)]
pub struct AuthSocket {
    socket: SocketIo,
    peer: Peer,
    identity_key: IdentityKey,
    server_key: IdentityKey,
}

/// An event as it is signed.
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
    /// How fast frames may come. Verifying one costs this client microseconds, and it never drops any.
    pace: Throttle,
}

#[derive(Serialize)]
struct RoomMessage<'a> {
    #[serde(rename = "roomId")]
    room: &'a str,
    message: MessageFields<'a>,
}

impl AuthSocket {
    /// Connects, shakes hands, and has the identity confirmed: until `authenticationSuccess`.
    ///
    /// # Errors
    /// [`ClientError`]: what went wrong on the way.
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

    /// Who this socket has proven to be.
    #[must_use]
    pub const fn identity_key(&self) -> IdentityKey {
        self.identity_key
    }

    /// Who the server has proven to be.
    #[must_use]
    pub const fn server_key(&self) -> IdentityKey {
        self.server_key
    }

    /// Joins a room, and waits until the server says so.
    ///
    /// # Errors
    /// [`ClientError::EventRefused`] when it may not, or what else went wrong.
    pub async fn join(&mut self, room: &RoomId) -> Result<(), ClientError> {
        self.emit(events::JOIN_ROOM, &room.as_str()).await?;
        self.wait_for(events::JOINED_ROOM, events::JOIN_FAILED)
            .await
    }

    /// Signs and sends an event.
    ///
    /// # Errors
    /// [`ClientError`] when the connection is gone, or the data cannot be written as JSON.
    pub async fn emit(&mut self, name: &str, data: &impl Serialize) -> Result<(), ClientError> {
        let payload = serde_json::to_vec(&Outgoing { name, data })
            .map_err(|_| ClientError::Unexpected("data that is no JSON"))?;
        let mut json = String::new();
        self.peer.sign(&SharedPayload::new(payload), &mut json)?;
        self.socket.send(&json).await
    }

    /// Sends a message to a room, and waits until it is stored. Other events that come meanwhile are passed over.
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
    /// [`ClientError::EventRefused`] when it was not stored, or what else went wrong.
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

    /// The next event, verified. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`ClientError`] when the connection is gone, or what came does not verify.
    pub async fn next_event(&mut self) -> Result<ReceivedEvent, ClientError> {
        ReceivedEvent::parse(&self.next_payload(None).await?)
    }

    /// Waits for the payload of the next event. With a reader the payload is not verified; see [`UnverifiedReader`].
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
            // The first event of a new session proves the server's key: until then nothing can be signed in it.
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
                // The server has begun a handshake of its own.
                Handled::Reply(reply) => self.socket.owe(&reply),
                _ => {}
            }
        }
    }

    /// Says goodbye, and waits a little for the server to let go.
    pub async fn close(self) {
        self.socket.close().await;
    }

    /// Passes over what comes before `success` or `failure`.
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
