//! Connections that end with an error of their client: not HTTP, malformed or missing headers, an early disconnect. The server
//! counts them by kind. It logs only some, at debug level, because anybody can cause them.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix_http::Protocol;
use actix_http::error::{DispatchError, ParseError};
use actix_service::{Service as _, ServiceFactory, apply_fn_factory};

use crate::metrics::RequestCounts;
use crate::telemetry::LineLimit;

use super::connection::TcpConnection;

/// Log lines per second.
static LINES: LineLimit = LineLimit::new(5);

/// First byte of a TLS connection.
const TLS_HANDSHAKE: u8 = 0x16;

/// The first byte of a connection. Shared by its clones.
#[derive(Debug, Clone, Default)]
pub(super) struct FirstByte(Rc<Cell<Option<u8>>>);

impl FirstByte {
    /// Notes the first byte, unless it is known already.
    pub(super) fn note(&self, bytes: &[u8]) {
        if self.0.get().is_none() {
            self.0.set(bytes.first().copied());
        }
    }
}

pub(super) type AcceptedConnection = (TcpConnection, Protocol, Option<SocketAddr>);

/// Wraps an HTTP service and counts connections that end with an error.
pub(super) fn counting<F>(
    http: F,
    counts: Arc<RequestCounts>,
) -> impl ServiceFactory<
    AcceptedConnection,
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = F::InitError,
>
where
    F: ServiceFactory<AcceptedConnection, Config = (), Response = (), Error = DispatchError>,
{
    let serve = move |accepted: AcceptedConnection, http: &F::Service| {
        let (first, peer) = (accepted.0.first_byte(), accepted.2);
        let (served, counts) = (http.call(accepted), Arc::clone(&counts));
        async move {
            let ended = served.await;
            if let Err(error) = &ended
                && let Some(kind) = kind(error, &first)
            {
                counts.connection_errors.add_one(kind);
                log(kind, peer, error);
            }
            ended
        }
    };
    apply_fn_factory::<F, F, _, _, AcceptedConnection, AcceptedConnection, (), DispatchError>(
        http, serve,
    )
}

/// None: the error is not the client's.
fn kind(error: &DispatchError, first: &FirstByte) -> Option<&'static str> {
    Some(match error {
        DispatchError::Parse(ParseError::TooLarge) => "head_too_large",
        DispatchError::Parse(ParseError::Incomplete) => "disconnected",
        DispatchError::Parse(ParseError::Timeout) | DispatchError::SlowRequestTimeout => "timeout",
        DispatchError::Parse(ParseError::Io(error)) | DispatchError::Io(error) => {
            // The server itself ends connections with this error.
            if error.kind() == io::ErrorKind::ConnectionAborted {
                return None;
            }
            "disconnected"
        }
        DispatchError::Parse(_) if first.0.get() == Some(TLS_HANDSHAKE) => "tls",
        DispatchError::Parse(_) => "bad_request",
        _ => return None,
    })
}

fn log(kind: &str, peer: Option<SocketAddr>, error: &dyn fmt::Display) {
    if !log::log_enabled!(log::Level::Debug) {
        return;
    }
    let Some(left_out) = LINES.enter() else {
        return;
    };
    let peer = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
    let more = match left_out {
        0 => String::new(),
        count => format!("; skipped {count} similar lines"),
    };
    log::debug!("connection from {peer} ended with an error ({kind}): {error}{more}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_clients_are_told_apart() {
        let (tls, other) = (FirstByte::default(), FirstByte::default());
        tls.note(&[]);
        tls.note(&[TLS_HANDSHAKE, 3]);
        tls.note(b"GET");
        other.note(b"GET");
        let io = |kind: io::ErrorKind| DispatchError::Io(kind.into());
        for (error, first, expected) in [
            (DispatchError::Parse(ParseError::Header), &tls, Some("tls")),
            (
                DispatchError::Parse(ParseError::Method),
                &other,
                Some("bad_request"),
            ),
            (
                DispatchError::Parse(ParseError::TooLarge),
                &other,
                Some("head_too_large"),
            ),
            (DispatchError::SlowRequestTimeout, &other, Some("timeout")),
            (
                io(io::ErrorKind::ConnectionReset),
                &other,
                Some("disconnected"),
            ),
            (io(io::ErrorKind::ConnectionAborted), &other, None),
            (DispatchError::DisconnectTimeout, &other, None),
        ] {
            assert_eq!(kind(&error, first), expected, "{error:?}");
        }
    }
}
