//! Socket.IO: joins the main namespace, answers the heartbeat, passes auth messages on.

use std::collections::VecDeque;
use std::time::Duration;

use bytestring::ByteString;

use crate::engineio::{Data, Frame, Packet};
use crate::events;
use crate::socketio::{Body, decode};

use super::error::ClientError;
use super::transport::{Connector, Transport};

/// What stands before the argument of the one event that is used, as every known server writes it.
const AUTH_MESSAGE: &str = r#"2["authMessage","#;
/// How long a server may take to let go of a connection that is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A client in the main namespace.
#[derive(Debug)]
pub(super) struct SocketIo {
    transport: Transport,
    /// What must be sent before anything more is read: answers to pings and handshakes.
    owed: VecDeque<Frame>,
}

impl SocketIo {
    /// Begins a session and joins the main namespace.
    pub(super) async fn connect(connector: &Connector) -> Result<Self, ClientError> {
        let mut transport = connector.open().await?;
        let Packet::Open(_) = transport.next().await? else {
            return Err(ClientError::Unexpected("no open packet"));
        };
        transport.send(message("0")).await?;
        let mut socket = Self {
            transport,
            owed: VecDeque::new(),
        };
        loop {
            let text = socket.next_message().await?;
            match decode(&text, 0)?.0.body {
                Body::Connect(_) => return Ok(socket),
                Body::ConnectError(reason) => return Err(ClientError::NamespaceRefused(reason)),
                _ => {}
            }
        }
    }

    /// Sends an auth message.
    pub(super) async fn send(&mut self, json: &str) -> Result<(), ClientError> {
        self.transport.send(auth_message(json)).await
    }

    /// Has an auth message sent before anything more is read.
    pub(super) fn owe(&mut self, json: &str) {
        self.owed.push_back(auth_message(json));
    }

    /// The JSON of the next auth message. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<ByteString, ClientError> {
        loop {
            let text = self.next_message().await?;
            // Nearly all that comes; parsing its JSON here would be for nothing.
            if let Some(argument) = text
                .strip_prefix(AUTH_MESSAGE)
                .and_then(|rest| rest.strip_suffix(']'))
            {
                return Ok(text.slice_ref(argument));
            }
            match decode(&text, 0)?.0.body {
                Body::Event(event) => {
                    let (name, argument) = event.name_and_first_argument();
                    if let (events::AUTH_MESSAGE, Some(argument)) = (name.as_str(), argument) {
                        return Ok(argument.into());
                    }
                }
                Body::Disconnect => return Err(ClientError::Closed),
                _ => {}
            }
        }
    }

    /// Says goodbye and waits a little for the server to let go.
    pub(super) async fn close(mut self) {
        let goodbye = Frame::from(&Packet::Close);
        if self.transport.send(goodbye).await.is_ok() {
            // A server that does not answer is left.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.transport.drain()).await;
        }
    }

    async fn next_message(&mut self) -> Result<ByteString, ClientError> {
        loop {
            while let Some(frame) = self.owed.front() {
                self.transport.send(frame.clone()).await?;
                self.owed.pop_front();
            }
            match self.transport.next().await? {
                Packet::Message(Data::Text(text)) => return Ok(text),
                Packet::Ping(data) => self.owed.push_back(Frame::from(&Packet::Pong(data))),
                Packet::Close => return Err(ClientError::Closed),
                _ => {}
            }
        }
    }
}

fn message(text: &str) -> Frame {
    Frame::message_with(text.len(), |out| out.push_str(text))
}

fn auth_message(json: &str) -> Frame {
    Frame::message_with(AUTH_MESSAGE.len() + json.len() + 1, |out| {
        out.push_str(AUTH_MESSAGE);
        out.push_str(json);
        out.push(']');
    })
}
