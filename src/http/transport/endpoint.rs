//! An Engine.IO endpoint.

use std::fmt;
use std::sync::Arc;

use crate::engineio::EngineConfig;
use crate::http::buffers::body::BodyMemory;
use crate::limits::AddressLimits;
use crate::socket::{Application, Opening, OpeningRefused, SocketTable};

/// An Engine.IO endpoint: its limits, its sockets, and the application of its sessions.
pub struct Endpoint<A: Application> {
    /// Limits and timeouts of sessions.
    pub config: Arc<EngineConfig>,
    /// The sockets of the endpoint.
    pub table: Arc<SocketTable<A>>,
    /// Makes the application of a new session.
    pub open: OpenApplication<A>,
    /// Memory of the bodies of polling requests and of unfinished frames.
    pub bodies: BodyMemory,
    /// Rate limits of client addresses.
    pub addresses: Arc<AddressLimits>,
}

/// Makes the application of a new session, or refuses it.
pub type OpenApplication<A> = Arc<dyn Fn(&Opening) -> Result<A, OpeningRefused> + Send + Sync>;

impl<A: Application> Clone for Endpoint<A> {
    fn clone(&self) -> Self {
        Self {
            config: Arc::clone(&self.config),
            table: Arc::clone(&self.table),
            open: Arc::clone(&self.open),
            bodies: self.bodies.clone(),
            addresses: Arc::clone(&self.addresses),
        }
    }
}

impl<A: Application> fmt::Debug for Endpoint<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("config", &self.config)
            .field("sockets", &self.table.len())
            .finish_non_exhaustive()
    }
}
