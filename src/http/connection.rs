//! A TCP connection that can be ended from outside.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::{AddressKey, AddressLimits, Permit};
use crate::socket::Kill;

use super::connection_watch::{Watch, WatchSettings};

/// Settings of accepted connections.
#[derive(Debug, Clone, Copy)]
pub struct TcpSettings {
    /// How long sent bytes may stay unacknowledged, or the other end's window closed, before the kernel gives
    /// the connection up. It is the only clock that runs for a websocket whose client does not read.
    pub user_timeout: Duration,
    /// How long a connection may take between its answers.
    pub watch: WatchSettings,
}

/// An accepted connection. Once its [`Kill`] is used, reading and writing fail and the kernel forgets it at once.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    kill: Kill,
    /// Counts it among those of its address.
    place: Option<Arc<Permit<AddressKey>>>,
}

impl Connection {
    /// Takes a connection, unless its address has too many. What cannot be set on it is left as it is.
    pub(super) fn accept(
        stream: TcpStream,
        settings: &TcpSettings,
        addresses: &AddressLimits,
    ) -> io::Result<(Self, SocketAddr)> {
        let peer = stream.peer_addr()?;
        // Nothing is read of one that is refused, and nothing said.
        let place = addresses.connect(peer).map_err(io::Error::other)?;
        let socket = SockRef::from(&stream);
        if let Err(error) = socket.set_tcp_nodelay(true) {
            log::debug!("TCP_NODELAY was not set: {error}");
        }
        #[cfg(target_os = "linux")]
        if let Err(error) = socket.set_tcp_user_timeout(Some(settings.user_timeout)) {
            log::debug!("TCP_USER_TIMEOUT was not set: {error}");
        }
        let connection = Self {
            stream,
            kill: Kill::default(),
            place: place.map(Arc::new),
        };
        Ok((connection, peer))
    }

    /// Puts what requests want to know of their connection where they find it.
    pub(super) fn describe(&self, settings: &TcpSettings, extensions: &mut Extensions) {
        extensions.insert(Watch::new(self.kill.clone(), settings.watch));
        extensions.insert(self.kill.clone());
        if let Some(place) = &self.place {
            extensions.insert(Arc::clone(place));
        }
    }

    /// Fails once the connection is to end.
    fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        if !self.kill.poll_ended(cx) {
            return Ok(());
        }
        // What was sent and not taken is not kept either.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
