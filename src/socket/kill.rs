//! Ends a TCP connection from outside the actor that serves it.

use std::net::Shutdown;
use std::sync::Arc;

/// A second handle to a connection's socket.
///
/// A websocket actor whose client does not read handles no message at all, not even one to stop: the only
/// way to free it is to shut its connection down.
#[derive(Debug, Clone)]
pub struct Kill(Arc<socket2::Socket>);

impl Kill {
    /// Of this socket, which must be a duplicate of the connection's own.
    #[must_use]
    pub fn new(socket: socket2::Socket) -> Self {
        Self(Arc::new(socket))
    }

    /// Shuts both directions down. A connection that is gone already is no error.
    pub fn shut_down(&self) {
        if let Err(error) = self.0.shutdown(Shutdown::Both) {
            log::trace!("shutting a connection down: {error}");
        }
    }
}
