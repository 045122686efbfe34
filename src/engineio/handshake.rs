//! The handshake: the query of a request, the errors, and the open packet.

use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

use crate::ids::Sid;

use super::config::EngineConfig;

/// The transport that carries a session. A session may move from polling to a websocket, but not back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransportKind {
    /// HTTP long-polling: GET requests fetch packets, POST requests send them.
    Polling,
    /// One websocket for both directions.
    Websocket,
}

impl TransportKind {
    /// Both transports, for example to list them in the help of a flag.
    pub const ALL: [Self; 2] = [Self::Polling, Self::Websocket];

    /// The transport's name in queries and in `upgrades`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::Websocket => "websocket",
        }
    }
}

impl FromStr for TransportKind {
    type Err = HandshakeError;

    /// Parses [`TransportKind::name`]. Any other text is [`HandshakeError::TransportUnknown`].
    fn from_str(name: &str) -> Result<Self, HandshakeError> {
        let mut all = Self::ALL.into_iter();
        all.find(|transport| transport.name() == name)
            .ok_or(HandshakeError::TransportUnknown)
    }
}

/// Why a request to the endpoint fails, with the code and the text of the Engine.IO protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HandshakeError {
    /// The query has no `transport`, or an unknown one.
    #[error("Transport unknown")]
    TransportUnknown,
    /// The server has no session with this `sid`.
    #[error("Session ID unknown")]
    SessionUnknown,
    /// A request other than GET tried to open a session.
    #[error("Bad handshake method")]
    BadHandshakeMethod,
    /// The request does not match the session or the transport.
    #[error("Bad request")]
    BadRequest,
    /// The server refuses this session, or any new one.
    #[error("Forbidden")]
    Forbidden,
    /// The query's `EIO` is not `4`.
    #[error("Unsupported protocol version")]
    UnsupportedVersion,
}

impl HandshakeError {
    /// The error's number in the protocol.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::TransportUnknown => 0,
            Self::SessionUnknown => 1,
            Self::BadHandshakeMethod => 2,
            Self::BadRequest => 3,
            Self::Forbidden => 4,
            Self::UnsupportedVersion => 5,
        }
    }
}

/// The parsed query of a request to the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineQuery {
    /// The transport that the request uses.
    pub transport: TransportKind,
    /// The session that the request belongs to. Without one, the request opens a session.
    pub sid: Option<Sid>,
    version_4: bool,
}

impl EngineQuery {
    /// Parses the query string, without its `?`. Unknown parameters are ignored.
    ///
    /// # Errors
    /// [`HandshakeError::TransportUnknown`], or [`HandshakeError::SessionUnknown`] for a malformed `sid`.
    pub fn parse(query: &str) -> Result<Self, HandshakeError> {
        let (mut transport, mut sid, mut version) = (None, None, None);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "transport" => transport = transport.or(Some(value)),
                "sid" => sid = sid.or(Some(value)),
                "EIO" => version = version.or(Some(value)),
                _ => {}
            }
        }
        let transport = transport.unwrap_or_default().parse()?;
        let sid = match sid {
            None | Some("") => None,
            Some(text) => Some(text.parse().map_err(|_| HandshakeError::SessionUnknown)?),
        };
        Ok(Self {
            transport,
            sid,
            version_4: version == Some("4"),
        })
    }

    /// Checks a request that opens a session.
    ///
    /// # Errors
    /// The first of the protocol's errors that applies.
    pub fn check_new_session(
        &self,
        method: &str,
        is_websocket: bool,
    ) -> Result<(), HandshakeError> {
        if method != "GET" {
            return Err(HandshakeError::BadHandshakeMethod);
        }
        if (self.transport == TransportKind::Websocket) != is_websocket {
            return Err(HandshakeError::BadRequest);
        }
        if !self.version_4 {
            return Err(HandshakeError::UnsupportedVersion);
        }
        Ok(())
    }
}

/// The server's first packet of a session: exactly these five fields.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OpenPacket<'a> {
    sid: &'a str,
    /// Transports that the client may switch to.
    upgrades: &'a [&'a str],
    /// In milliseconds, as is `ping_timeout`.
    ping_interval: u128,
    ping_timeout: u128,
    /// The largest payload that the server accepts, in bytes.
    max_payload: usize,
}

impl OpenPacket<'_> {
    /// The JSON for a session that starts on `transport`.
    pub(super) fn json(sid: Sid, transport: TransportKind, config: &EngineConfig) -> String {
        let upgrades: &[&str] = match transport {
            TransportKind::Polling => &["websocket"],
            TransportKind::Websocket => &[],
        };
        let open = OpenPacket {
            sid: sid.as_str(),
            upgrades,
            ping_interval: config.ping_interval.as_millis(),
            ping_timeout: config.ping_timeout.as_millis(),
            max_payload: config.max_payload,
        };
        // Strings and integers always serialize.
        serde_json::to_string(&open).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_and_unknown_parameters_ignored() {
        let query = EngineQuery::parse("EIO=4&transport=polling&t=P5x&b64=1").unwrap();
        assert_eq!(query.transport, TransportKind::Polling);
        assert_eq!(query.sid, None);
        assert_eq!(query.check_new_session("GET", false), Ok(()));
        let sid = Sid::random();
        let query = EngineQuery::parse(&format!("transport=websocket&sid={sid}")).unwrap();
        assert_eq!(query.sid, Some(sid));
    }

    #[test]
    fn bad_queries_get_the_protocols_errors() {
        use HandshakeError as E;
        for (query, error) in [
            ("", E::TransportUnknown),
            ("EIO=4", E::TransportUnknown),
            ("EIO=4&transport=abc", E::TransportUnknown),
            ("EIO=4&transport=polling&sid=abc", E::SessionUnknown),
        ] {
            assert_eq!(EngineQuery::parse(query), Err(error), "{query}");
        }
        for (query, method, websocket, error) in [
            ("transport=polling", "GET", false, E::UnsupportedVersion),
            (
                "EIO=3&transport=polling",
                "GET",
                false,
                E::UnsupportedVersion,
            ),
            (
                "EIO=abc&transport=websocket",
                "GET",
                true,
                E::UnsupportedVersion,
            ),
            (
                "EIO=4&transport=polling",
                "POST",
                false,
                E::BadHandshakeMethod,
            ),
            (
                "EIO=4&transport=polling",
                "PUT",
                false,
                E::BadHandshakeMethod,
            ),
            ("EIO=4&transport=websocket", "GET", false, E::BadRequest),
            ("EIO=4&transport=polling", "GET", true, E::BadRequest),
        ] {
            let query = EngineQuery::parse(query).unwrap();
            assert_eq!(
                query.check_new_session(method, websocket),
                Err(error),
                "{query:?}"
            );
        }
    }

    #[test]
    fn codes_and_texts_are_the_protocols() {
        use HandshakeError as E;
        let all = [
            (E::TransportUnknown, 0, "Transport unknown"),
            (E::SessionUnknown, 1, "Session ID unknown"),
            (E::BadHandshakeMethod, 2, "Bad handshake method"),
            (E::BadRequest, 3, "Bad request"),
            (E::Forbidden, 4, "Forbidden"),
            (E::UnsupportedVersion, 5, "Unsupported protocol version"),
        ];
        for (error, code, text) in all {
            assert_eq!((error.code(), error.to_string().as_str()), (code, text));
        }
    }

    #[test]
    fn the_open_packet_holds_exactly_five_fields() {
        let sid = Sid::random();
        let config = EngineConfig::default();
        assert_eq!(
            OpenPacket::json(sid, TransportKind::Polling, &config),
            format!(
                r#"{{"sid":"{sid}","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":10000000}}"#
            )
        );
        assert!(
            OpenPacket::json(sid, TransportKind::Websocket, &config).contains(r#""upgrades":[]"#)
        );
    }
}
