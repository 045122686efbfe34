//! Socket.IO: joins the main namespace, answers the heartbeat, and passes auth messages on.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytestring::ByteString;
use serde::Deserialize;

use crate::engineio::{Data, Frame, Packet};
use crate::events;
use crate::socketio::{Body, decode};

use super::error::ClientError;
use super::transport::{Connector, Transport};

/// The text before the argument of the one event in use, as every known server writes it.
const AUTH_MESSAGE: &str = r#"2["authMessage","#;
/// How long the server may take to close a connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Minimum wait before the client considers a connection dead.
const MIN_SILENCE: Duration = Duration::from_secs(1);

/// A client in the main namespace.
#[derive(Debug)]
pub(super) struct SocketIo {
    transport: Transport,
    /// Frames to send before the next read: answers to pings and handshakes.
    pending: VecDeque<Frame>,
    /// The longest silence of a live connection.
    heartbeat: Duration,
    heard: Instant,
}

/// The heartbeat of the open packet in milliseconds. The defaults are those of servers in use.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Heartbeat {
    ping_interval: u64,
    ping_timeout: u64,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self {
            ping_interval: 25_000,
            ping_timeout: 20_000,
        }
    }
}

impl SocketIo {
    /// Opens a session and joins the main namespace.
    pub(super) async fn connect(connector: &Connector) -> Result<Self, ClientError> {
        let mut transport = connector.open().await?;
        let Packet::Open(json) = transport.next().await? else {
            return Err(ClientError::Unexpected("no open packet"));
        };
        let open: Heartbeat = serde_json::from_str(&json).unwrap_or_default();
        let heartbeat = open.ping_interval.saturating_add(open.ping_timeout);
        transport.send(message("0")).await?;
        let mut socket = Self {
            transport,
            pending: VecDeque::new(),
            heartbeat: Duration::from_millis(heartbeat),
            heard: Instant::now(),
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

    pub(super) async fn send(&mut self, json: &str) -> Result<(), ClientError> {
        self.transport.send(auth_message(json)).await
    }

    /// Queues an auth message, which is sent before the next read.
    pub(super) fn enqueue(&mut self, json: &str) {
        self.pending.push_back(auth_message(json));
    }

    /// The JSON of the next auth message. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<ByteString, ClientError> {
        loop {
            let text = self.next_message().await?;
            // Nearly all events have this form. Parsing their JSON here would be wasted.
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

    /// Closes the session and waits briefly for the server to close it too.
    pub(super) async fn close(mut self) {
        let goodbye = Frame::from(&Packet::Close);
        if self.transport.send(goodbye).await.is_ok() {
            // The client does not wait for an unresponsive server.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.transport.drain()).await;
        }
    }

    async fn next_message(&mut self) -> Result<ByteString, ClientError> {
        loop {
            while let Some(frame) = self.pending.front() {
                self.transport.send(frame.clone()).await?;
                self.pending.pop_front();
            }
            // A reader that was idle for long first reads what arrived meanwhile.
            let silence = self.heartbeat.saturating_sub(self.heard.elapsed());
            let silence = silence.max(MIN_SILENCE);
            let packet = tokio::time::timeout(silence, self.transport.next()).await;
            let packet = packet.map_err(|_| ClientError::Timeout("the server's heartbeat"))?;
            self.heard = Instant::now();
            match packet? {
                Packet::Message(Data::Text(text)) => return Ok(text),
                Packet::Ping(data) => self.pending.push_back(Frame::from(&Packet::Pong(data))),
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
