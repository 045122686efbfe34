//! Accepts connections and serves an application on them.
//!
//! Does the work of `actix_web::HttpServer` with connections of its own ([`TcpConnection`]): other threads can end them without
//! a second file descriptor.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use actix_http::body::MessageBody;
use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request, Response};
use actix_server::{Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config,
};
use actix_web::Error;
use actix_web::dev::AppConfig;
use actix_web::rt::net::TcpStream;
use socket2::{Domain, Protocol as Transport, Socket, Type};

use crate::limits::AddressLimits;
use crate::metrics::RequestCounts;

use super::connection::{TcpConnection, TcpSettings};
use super::connection_errors::counting;
use super::worker_delay::measure;

/// Connections that the kernel queues while all workers are busy.
const BACKLOG: i32 = 4096;

/// How long a client may take to close its side of a connection that the server closes.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How connections are accepted and served.
#[derive(Debug, Clone)]
pub struct ListenerSettings {
    /// Worker threads; none: one for each core.
    pub workers: Option<usize>,
    /// TCP connections of each worker.
    pub max_connections: usize,
    /// How long the headers of a connection's first request may take.
    pub head_timeout: Duration,
    /// How long a connection may be idle between two requests.
    pub keep_alive: Duration,
    /// Seconds that requests in progress may take when the server stops.
    pub shutdown_timeout: u64,
    /// Settings of each connection.
    pub tcp: TcpSettings,
    /// Connection limits of client addresses.
    pub addresses: Arc<AddressLimits>,
    /// Counters of connection errors and of the workers' delay.
    pub counts: Arc<RequestCounts>,
}

impl ListenerSettings {
    /// The defaults, without limits of addresses.
    #[must_use]
    pub fn new(tcp: TcpSettings) -> Self {
        Self {
            workers: None,
            max_connections: 25_000,
            head_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(5),
            shutdown_timeout: 30,
            tcp,
            addresses: Arc::default(),
            counts: Arc::default(),
        }
    }
}

/// Serves an application on every address that `target` names. Returns the server, which runs once it is polled, and its
/// first address.
///
/// # Errors
/// The operating system refuses the addresses.
pub fn listen<F, I, S, B>(
    target: impl ToSocketAddrs,
    settings: &ListenerSettings,
    application: F,
) -> io::Result<(Server, SocketAddr)>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    B: MessageBody + 'static,
{
    let mut server = ServerBuilder::default()
        .max_concurrent_connections(settings.max_connections)
        .shutdown_timeout(settings.shutdown_timeout)
        .disable_signals();
    if let Some(workers) = settings.workers {
        server = server.workers(workers);
    }
    let mut first = None;
    for listener in bind(target)? {
        let address = listener.local_addr()?;
        let is_first = first.is_none();
        first.get_or_insert(address);
        let (settings, application) = (settings.clone(), application.clone());
        let stopping = server.graceful_shutdown_signal();
        server = server.listen("http", listener, move || {
            let tcp = settings.tcp;
            let addresses = Arc::clone(&settings.addresses);
            let stopping = stopping.clone();
            if is_first {
                // Once for each worker: every worker makes its own services.
                actix_web::rt::spawn(measure(Arc::clone(&settings.counts)));
            }
            let http = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                .keep_alive(settings.keep_alive)
                .client_request_timeout(settings.head_timeout)
                .client_disconnect_timeout(DISCONNECT_TIMEOUT)
                // Drops a long poll when its client disconnects, so that its packets are kept for the next poll.
                .h1_allow_half_closed(false)
                .local_addr(address)
                .on_connect_ext(move |connection: &TcpConnection, extensions| {
                    connection.describe(&tcp, extensions);
                })
                .finish(map_config(
                    application()
                        .into_factory()
                        .map_err(|error| error.into().error_response()),
                    |()| AppConfig::default(),
                ));
            fn_service(move |stream: TcpStream| {
                let accepted = TcpConnection::accept(stream, &tcp, &addresses);
                std::future::ready(match accepted {
                    Ok((connection, peer)) => Ok((connection, Protocol::Http1, Some(peer))),
                    Err(error) => {
                        log::trace!("refused a connection: {error}");
                        Err(DispatchError::Io(error))
                    }
                })
            })
            .and_then(counting(http, Arc::clone(&settings.counts)))
        })?;
    }
    let first = first.ok_or(io::ErrorKind::AddrNotAvailable)?;
    Ok((server.run(), first))
}

/// Attempts to find a port that is free for both IPv6 and IPv4.
const PORT_ATTEMPTS: usize = 16;

/// Listens on every address that is available, and fails if none is.
fn bind(target: impl ToSocketAddrs) -> io::Result<Vec<TcpListener>> {
    let (mut listeners, mut failure) = (Vec::new(), None);
    for address in target.to_socket_addrs()? {
        let bound = if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
            bind_both_families(address.port())
        } else {
            bind_one(address).map(|listener| vec![listener])
        };
        match bound {
            Ok(bound) => listeners.extend(bound),
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

/// Listens on all addresses of IPv6 and of IPv4, on one port. Each family has its own listener, so that no IPv4 address is
/// written as an IPv6 one. On a machine without one of the families it listens on the other.
fn bind_both_families(port: u16) -> io::Result<Vec<TcpListener>> {
    for _ in 0..PORT_ATTEMPTS {
        let v6 = match bind_one((Ipv6Addr::UNSPECIFIED, port).into()) {
            Ok(listener) => listener,
            Err(error) if is_missing_family(&error) => {
                return Ok(vec![bind_one((Ipv4Addr::UNSPECIFIED, port).into())?]);
            }
            Err(error) => return Err(error),
        };
        let same_port = v6.local_addr()?.port();
        match bind_one((Ipv4Addr::UNSPECIFIED, same_port).into()) {
            Ok(v4) => return Ok(vec![v6, v4]),
            Err(error) if is_missing_family(&error) => return Ok(vec![v6]),
            // The system chose a port that is free for IPv6 only. Try another.
            Err(error) if port == 0 && error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

fn is_missing_family(error: &io::Error) -> bool {
    let is_unsupported =
        error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error());
    is_unsupported || error.kind() == io::ErrorKind::AddrNotAvailable
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Transport::TCP),
    )?;
    // After a restart, connections of the old process may still use the port.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream as Client;

    #[test]
    fn the_unspecified_address_is_that_of_both_families() {
        let listeners = bind(("::", 0)).unwrap();
        let addresses = listeners.iter().map(|it| it.local_addr().unwrap());
        let addresses: Vec<SocketAddr> = addresses.collect();
        let port = addresses[0].port();
        assert!(
            addresses.iter().all(|it| it.port() == port),
            "{addresses:?}"
        );
        let v4 = Client::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        drop(v4);
        let has_v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
        assert_eq!(addresses.len(), if has_v6 { 2 } else { 1 });
        if has_v6 {
            drop(Client::connect((Ipv6Addr::LOCALHOST, port)).unwrap());
        }
        // A port that another program has in one of the families is taken.
        let error = bind(("::", port)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn one_family_is_had_by_its_own_address() {
        let listeners = bind(("0.0.0.0", 0)).unwrap();
        assert_eq!(listeners.len(), 1);
        assert!(listeners[0].local_addr().unwrap().is_ipv4());
    }
}
