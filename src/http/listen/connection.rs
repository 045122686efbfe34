//! A TCP connection that other threads can end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::{AddressKey, AddressLimits, Permit};
use crate::socket::AbortHandle;

use super::connection_errors::FirstByte;
use super::watch::{ConnectionWatch, WatchSettings};

/// Bytes that the kernel buffers beyond those that it has sent. Unread output stays in the server's own buffers, which are
/// counted. The kernel's buffers would grow to megabytes for each connection.
#[cfg(target_os = "linux")]
const MAX_UNSENT: u32 = 128 * 1024;

/// Bytes that a connection reads, or writes, in one turn. A fast client is always ready for more, and the runtime polls for
/// other input only after some sixty turns.
const AT_ONCE: usize = 32 * 1024;

/// Settings of accepted connections.
#[derive(Debug, Clone, Copy)]
pub struct TcpSettings {
    /// How long sent bytes may stay unacknowledged, or the peer's window closed, before the kernel ends the connection. No
    /// other clock runs for a websocket whose client does not read.
    pub user_timeout: Duration,
    /// Timeouts between and during responses.
    pub watch: WatchSettings,
}

/// The bytes of a connection's turn in one direction.
#[derive(Debug, Default)]
struct Turn {
    bytes: usize,
}

impl Turn {
    /// Pending at the end of a turn. The connection is woken at once for the next one.
    fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.bytes < AT_ONCE {
            return Poll::Ready(());
        }
        self.bytes = 0;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Counts bytes that were moved. None: the connection waits, so its next turn is a new one.
    fn count(&mut self, moved: Option<usize>) {
        self.bytes = moved.map_or(0, |moved| self.bytes.saturating_add(moved));
    }
}

/// An accepted connection. Once its [`AbortHandle`] is used, reads and writes fail and the kernel resets it.
#[derive(Debug)]
pub(super) struct TcpConnection {
    stream: TcpStream,
    kill: AbortHandle,
    read: Turn,
    written: Turn,
    first: FirstByte,
    /// Counts the connection for its address.
    permit: Option<Arc<Permit<AddressKey>>>,
}

impl TcpConnection {
    /// Accepts a connection unless its address has too many. Socket options that cannot be set are skipped.
    pub(super) fn accept(
        stream: TcpStream,
        settings: &TcpSettings,
        addresses: &AddressLimits,
    ) -> io::Result<(Self, SocketAddr)> {
        let peer = stream.peer_addr()?;
        // A refused connection is closed without a response.
        let permit = addresses.connect(peer).map_err(io::Error::other)?;
        let socket = SockRef::from(&stream);
        if let Err(error) = socket.set_tcp_nodelay(true) {
            log::debug!("TCP_NODELAY was not set: {error}");
        }
        #[cfg(target_os = "linux")]
        if let Err(error) = socket.set_tcp_user_timeout(Some(settings.user_timeout)) {
            log::debug!("TCP_USER_TIMEOUT was not set: {error}");
        }
        #[cfg(target_os = "linux")]
        if let Err(error) = socket.set_tcp_notsent_lowat(MAX_UNSENT) {
            log::debug!("TCP_NOTSENT_LOWAT was not set: {error}");
        }
        let connection = Self {
            stream,
            kill: AbortHandle::default(),
            read: Turn::default(),
            written: Turn::default(),
            first: FirstByte::default(),
            permit: permit.map(Arc::new),
        };
        Ok((connection, peer))
    }

    /// The first byte of the connection, once it has arrived.
    pub(super) fn first_byte(&self) -> FirstByte {
        self.first.clone()
    }

    /// Stores what requests need to know of their connection.
    pub(super) fn describe(&self, settings: &TcpSettings, extensions: &mut Extensions) {
        extensions.insert(ConnectionWatch::new(self.kill.clone(), settings.watch));
        extensions.insert(self.kill.clone());
        if let Some(permit) = &self.permit {
            extensions.insert(Arc::clone(permit));
        }
    }

    /// Fails once the connection's [`AbortHandle`] was used.
    fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        if !self.kill.poll_aborted(cx) {
            return Ok(());
        }
        // Reset, so that the kernel drops unacknowledged output.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

impl AsyncRead for TcpConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        ready!(self.read.poll(cx));
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let read = buffer.filled().get(before..).unwrap_or_default();
        self.first.note(read);
        let count = read.len();
        self.read.count(polled.is_ready().then_some(count));
        polled
    }
}

impl AsyncWrite for TcpConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        ready!(self.written.poll(cx));
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written.count(match &polled {
            Poll::Ready(written) => Some(*written.as_ref().unwrap_or(&0)),
            Poll::Pending => None,
        });
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use socket2::{Domain, Socket, Type};
    use tokio::net::TcpListener;

    use super::*;

    async fn connected(client: &Socket) -> TcpConnection {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        client.connect(&address.into()).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let settings = TcpSettings {
            user_timeout: Duration::from_secs(60),
            watch: WatchSettings::default(),
        };
        let limits = AddressLimits::default();
        TcpConnection::accept(stream, &settings, &limits).unwrap().0
    }

    #[actix_web::test]
    async fn others_have_their_turn_while_much_is_there_to_be_read() {
        const SENT: usize = 1024 * 1024;
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let mut connection = connected(&client).await;
        let sender = std::thread::spawn(move || {
            let mut client = std::net::TcpStream::from(client);
            io::Write::write_all(&mut client, &vec![7; SENT]).unwrap();
        });
        let (mut turns, mut read) = (0, 0);
        while read < SENT {
            let turn = std::future::poll_fn(|cx| {
                let (mut in_turn, mut bytes) = (0, [0; 4_096]);
                loop {
                    let mut buffer = ReadBuf::new(&mut bytes);
                    match Pin::new(&mut connection).poll_read(cx, &mut buffer) {
                        Poll::Ready(done) => done.unwrap(),
                        Poll::Pending if in_turn == 0 => return Poll::Pending,
                        Poll::Pending => return Poll::Ready(in_turn),
                    }
                    in_turn += buffer.filled().len();
                    if read + in_turn == SENT {
                        return Poll::Ready(in_turn);
                    }
                }
            });
            let in_turn = tokio::time::timeout(Duration::from_secs(20), turn).await;
            let in_turn = in_turn.unwrap();
            assert!(in_turn <= AT_ONCE, "{in_turn} bytes");
            read += in_turn;
            turns += 1;
        }
        sender.join().unwrap();
        assert!(turns >= SENT / AT_ONCE, "{turns} turns");
    }

    #[actix_web::test]
    async fn others_have_their_turn_while_there_is_room_for_what_is_written() {
        const SENT: usize = 1024 * 1024;
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let mut connection = connected(&client).await;
        let reader = std::thread::spawn(move || {
            let mut bytes = vec![0; SENT];
            io::Read::read_exact(&mut std::net::TcpStream::from(client), &mut bytes).unwrap();
        });
        let bytes = [7; 4_096];
        let (mut turns, mut written) = (0, 0);
        while written < SENT {
            let mut in_turn = 0;
            std::future::poll_fn(|cx| {
                while written + in_turn < SENT {
                    match Pin::new(&mut connection).poll_write(cx, &bytes) {
                        Poll::Ready(count) => in_turn += count.unwrap(),
                        Poll::Pending if in_turn == 0 => return Poll::Pending,
                        Poll::Pending => break,
                    }
                }
                Poll::Ready(())
            })
            .await;
            assert!(in_turn <= AT_ONCE, "{in_turn} bytes");
            written += in_turn;
            turns += 1;
        }
        reader.join().unwrap();
        assert!(turns >= SENT / AT_ONCE, "{turns} turns");
    }

    #[cfg(target_os = "linux")]
    #[actix_web::test]
    async fn the_kernel_takes_little_of_what_a_client_does_not_read() {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        client.set_recv_buffer_size(4_096).unwrap();
        let mut connection = connected(&client).await;
        let (bytes, mut taken) = (vec![7; 64 * 1024], 0);
        let refused = std::future::poll_fn(|cx| {
            loop {
                match Pin::new(&mut connection).poll_write(cx, &bytes) {
                    Poll::Ready(Ok(count)) => taken += count,
                    Poll::Ready(Err(error)) => return Poll::Ready(Some(error)),
                    Poll::Pending => return Poll::Ready(None),
                }
            }
        });
        assert!(refused.await.is_none());
        assert!(taken < 512 * 1024, "{taken} bytes");
    }
}
