//! What is set on each accepted connection, and the handle that can end it from outside.

use std::any::Any;
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use socket2::SockRef;

use crate::socket::Kill;

/// Settings of accepted connections.
#[derive(Debug, Clone, Copy)]
pub struct TcpSettings {
    /// How long sent bytes may stay unacknowledged, or the other end's window closed, before the kernel gives
    /// the connection up. It is the only clock that runs for a websocket whose client does not read.
    pub user_timeout: Duration,
}

/// Prepares an accepted connection; for `HttpServer::on_connect`. What cannot be set is left as it is.
pub fn on_connect(
    settings: TcpSettings,
) -> impl Fn(&dyn Any, &mut Extensions) + Send + Clone + 'static {
    move |connection, extensions| {
        let Some(stream) = connection.downcast_ref::<TcpStream>() else {
            return;
        };
        let socket = SockRef::from(stream);
        if let Err(error) = socket.set_tcp_nodelay(true) {
            log::debug!("TCP_NODELAY was not set: {error}");
        }
        #[cfg(target_os = "linux")]
        if let Err(error) = socket.set_tcp_user_timeout(Some(settings.user_timeout)) {
            log::debug!("TCP_USER_TIMEOUT was not set: {error}");
        }
        #[cfg(not(target_os = "linux"))]
        let _ = settings;
        match socket.try_clone() {
            Ok(duplicate) => drop(extensions.insert(Kill::new(duplicate))),
            Err(error) => log::warn!("a connection cannot be ended from outside: {error}"),
        }
    }
}
