//! The transports, and opening a session over one of them.

mod polling;
mod upgrade;
mod websocket;

use std::time::Duration;

use crate::engineio::{Frame, Packet};
use crate::outbound;

use super::address::ServerAddress;
use super::error::ClientError;
use polling::Polling;
use upgrade::upgrade;
use websocket::Websocket;

pub use crate::engineio::TransportKind;

/// How to reach a server: its address, the transport, and the HTTP connections.
#[derive(Debug, Clone)]
pub struct Connector {
    /// The address of the server.
    pub address: ServerAddress,
    /// The transport of Engine.IO sessions.
    pub transport: TransportKind,
    /// Whether a polling session moves to a websocket at once, as with the published clients.
    pub upgrades: bool,
    /// Time limit of a request and of opening a session. Without one, the system decides.
    timeout: Option<Duration>,
    /// The HTTP client. Clones share its connections.
    pub http: reqwest::Client,
}

impl Connector {
    /// Reaches a server over a transport, without a time limit.
    #[must_use]
    pub fn new(address: ServerAddress, transport: TransportKind) -> Self {
        Self {
            address,
            transport,
            upgrades: false,
            timeout: None,
            http: outbound::http::client(),
        }
    }

    /// Sets the time limit of each request and of opening a session.
    ///
    /// # Errors
    /// [`ClientError::Http`] if the HTTP client cannot be set up.
    pub fn with_timeout(self, timeout: Duration) -> Result<Self, ClientError> {
        let http = outbound::http::builder().timeout(timeout).build()?;
        Ok(Self {
            timeout: Some(timeout),
            http,
            ..self
        })
    }

    /// Uses another transport to the same server.
    #[must_use]
    pub fn over(self, transport: TransportKind) -> Self {
        Self {
            transport,
            upgrades: false,
            ..self
        }
    }

    /// Opens sessions over polling and moves them to a websocket at once.
    #[must_use]
    pub fn upgrading(self) -> Self {
        Self {
            transport: TransportKind::Polling,
            upgrades: true,
            ..self
        }
    }

    /// Opens an Engine.IO session. The first packet is the open packet.
    pub(super) async fn open(&self) -> Result<Transport, ClientError> {
        let opening = self.open_at_leisure();
        match self.timeout {
            None => opening.await,
            Some(timeout) => tokio::time::timeout(timeout, opening)
                .await
                .unwrap_or(Err(ClientError::Timeout("opening a session"))),
        }
    }

    async fn open_at_leisure(&self) -> Result<Transport, ClientError> {
        Ok(match self.transport {
            TransportKind::Websocket => {
                let websocket = Websocket::connect(&self.address.websocket_url()).await?;
                Transport::Websocket(Box::new(websocket))
            }
            TransportKind::Polling if self.upgrades => {
                Transport::Websocket(Box::new(upgrade(&self.http, &self.address).await?))
            }
            TransportKind::Polling => {
                let url = self.address.polling_url();
                Transport::Polling(Polling::connect(&self.http, &url).await?)
            }
        })
    }
}

/// The transport of an open session.
#[derive(Debug)]
pub(super) enum Transport {
    Websocket(Box<Websocket>),
    Polling(Polling),
}

impl Transport {
    pub(super) async fn send(&mut self, frame: Frame) -> Result<(), ClientError> {
        match self {
            Self::Websocket(websocket) => websocket.send(frame).await,
            Self::Polling(polling) => polling.send(frame).await,
        }
    }

    /// The next packet. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Packet, ClientError> {
        match self {
            Self::Websocket(websocket) => websocket.next().await,
            Self::Polling(polling) => polling.next().await,
        }
    }

    /// Waits until the server ends a session that this client closes.
    pub(super) async fn drain(&mut self) {
        match self {
            Self::Websocket(websocket) => websocket.drain().await,
            Self::Polling(polling) => polling.drain().await,
        }
    }
}
