//! Which of the two transports carries a session, and how one is begun.

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

/// How to reach a server: its address, the transport, and the connections that requests share.
#[derive(Debug, Clone)]
pub struct Connector {
    /// Where it is.
    pub address: ServerAddress,
    /// What carries Engine.IO.
    pub transport: TransportKind,
    /// Whether a session that begins over polling moves to a websocket at once, as the published clients do.
    pub upgrades: bool,
    /// How long a request, or the opening of a websocket, may take; `None`: as long as the system lets it.
    timeout: Option<Duration>,
    /// What makes HTTP requests. Cheap to clone: clones share their connections.
    pub http: reqwest::Client,
}

impl Connector {
    /// Reaches this server over this transport.
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

    /// Gives up on what takes longer than this.
    ///
    /// # Errors
    /// [`ClientError::Http`] when the HTTP client cannot be set up.
    pub fn with_timeout(self, timeout: Duration) -> Result<Self, ClientError> {
        let http = outbound::http::builder().timeout(timeout).build()?;
        Ok(Self {
            timeout: Some(timeout),
            http,
            ..self
        })
    }

    /// The same server over another transport.
    #[must_use]
    pub fn over(self, transport: TransportKind) -> Self {
        Self {
            transport,
            upgrades: false,
            ..self
        }
    }

    /// Begins over polling, and moves to a websocket at once.
    #[must_use]
    pub fn upgrading(self) -> Self {
        Self {
            transport: TransportKind::Polling,
            upgrades: true,
            ..self
        }
    }

    /// Begins an Engine.IO session. Its first packet is the open packet.
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

/// What carries an Engine.IO session.
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

    /// Waits for the end, after it was asked for.
    pub(super) async fn drain(&mut self) {
        match self {
            Self::Websocket(websocket) => websocket.drain().await,
            Self::Polling(polling) => polling.drain().await,
        }
    }
}
