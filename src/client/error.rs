//! The failures of the client.

pub(super) mod refusal;

use thiserror::Error;

use crate::auth::AuthError;
use crate::engineio::DecodeError;
use crate::events;
use crate::outbound::http::ReadError;
use crate::socketio::SocketIoDecodeError;

use refusal::{refusal, request_id_of};

/// Why an operation of the client failed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The websocket did not open, or broke.
    #[error("websocket: {}", websocket_reason(.0))]
    Websocket(#[source] Box<tokio_tungstenite::tungstenite::Error>),
    /// The HTTP request failed, or got no response.
    #[error("HTTP: {}", with_source(.0))]
    Http(#[source] Box<reqwest::Error>),
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// The operation exceeded its time limit.
    #[error("{0} took too long")]
    Timeout(&'static str),
    /// The server responded with a status that is a failure.
    #[error("the server answered {status}: {description}{}", request_text(.request_id.as_deref()))]
    Refused {
        /// The HTTP status of the response.
        status: u16,
        /// The `code` of the response, or an empty text.
        code: String,
        /// The description in the response, shortened.
        description: String,
        /// The price of the request in satoshis (402).
        satoshis: Option<u64>,
        /// The id of the request in the server's logs (`x-request-id`), if the response has one.
        request_id: Option<String>,
    },
    /// The server answered an event with a failure event.
    #[error("{event}: {reason}")]
    EventRefused {
        /// The name of the failure event.
        event: String,
        /// The `reason` of the failure event.
        reason: String,
    },
    /// The server sent bytes that do not parse as Engine.IO.
    #[error("Engine.IO: {0}")]
    EngineIo(#[from] DecodeError),
    /// The server sent a text that does not parse as Socket.IO.
    #[error("Socket.IO: {0}")]
    SocketIo(#[from] SocketIoDecodeError),
    /// The server refused the namespace.
    #[error("the server refused the namespace: {0}")]
    NamespaceRefused(String),
    /// An auth message or a response does not verify.
    #[error("authentication: {0}")]
    Auth(#[from] AuthError),
    /// The server did not sign the response.
    #[error("the server did not sign its response")]
    Unsigned,
    /// The response exceeds the client's size limit.
    #[error("the response is too large")]
    TooLong,
    /// The server sent something that the protocol does not allow here, or the caller passed invalid data.
    #[error("unexpected: {0}")]
    Unexpected(&'static str),
}

/// The cause of a failure, which tells who can fix it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The server does not respond in time, or the connection broke. A retry may help.
    Unreachable,
    /// One side is not authenticated, or its identity is not accepted.
    Authentication,
    /// The server understood the request and refuses it.
    Refused,
    /// The response violates the protocol. It may not come from a MessageBox server.
    Protocol,
}

impl ClientError {
    /// Classifies the error by its cause.
    #[must_use]
    pub fn failure(&self) -> Failure {
        use tokio_tungstenite::tungstenite::Error as E;
        match self {
            Self::Websocket(error) => match &**error {
                E::Io(_) | E::Tls(_) => Failure::Unreachable,
                E::Http(answer) if answer.status().is_server_error() => Failure::Unreachable,
                E::Http(_) => Failure::Refused,
                _ => Failure::Protocol,
            },
            Self::Http(error) if error.is_redirect() || error.is_builder() => Failure::Protocol,
            Self::Http(_) | Self::Closed | Self::Timeout(_) => Failure::Unreachable,
            Self::Refused { status, code, .. } => match status {
                401 => Failure::Authentication,
                408 if code == "CERTIFICATE_TIMEOUT" => Failure::Authentication,
                403 if code == "ERR_CERTIFICATE_REFUSED" => Failure::Authentication,
                // The body of the request arrived too late.
                408 => Failure::Unreachable,
                // A proxy responds for a server that is down.
                502..=504 if code.is_empty() => Failure::Unreachable,
                _ if code.is_empty() => Failure::Protocol,
                _ => Failure::Refused,
            },
            Self::EventRefused { event, .. } if event == events::AUTHENTICATION_FAILED => {
                Failure::Authentication
            }
            Self::EventRefused { .. } | Self::NamespaceRefused(_) => Failure::Refused,
            Self::Auth(
                AuthError::Malformed(_) | AuthError::MissingField(_) | AuthError::Version { .. },
            )
            | Self::EngineIo(_)
            | Self::SocketIo(_)
            | Self::TooLong
            | Self::Unexpected(_) => Failure::Protocol,
            Self::Auth(_) | Self::Unsigned => Failure::Authentication,
        }
    }
}

impl ClientError {
    /// The HTTP status behind the error, if any.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        use tokio_tungstenite::tungstenite::Error as E;
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Websocket(error) => match &**error {
                E::Http(answer) => Some(answer.status().as_u16()),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The end of the text of a refusal: the id that the server's operator needs.
fn request_text(id: Option<&str>) -> String {
    id.map_or_else(String::new, |id| format!(" (request {id})"))
}

/// The server's text for refusing a websocket, or the error itself.
fn websocket_reason(error: &tokio_tungstenite::tungstenite::Error) -> String {
    let tokio_tungstenite::tungstenite::Error::Http(answer) = error else {
        return error.to_string();
    };
    let body = answer.body().as_deref().unwrap_or_default();
    let id = request_id_of(answer.headers());
    refusal(answer.status().as_u16(), id, body, "it opens no websocket").to_string()
}

/// The HTTP client reports the reason in the source of its error.
fn with_source(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl From<tokio_tungstenite::tungstenite::Error> for ClientError {
    fn from(error: tokio_tungstenite::tungstenite::Error) -> Self {
        use tokio_tungstenite::tungstenite::Error as E;
        use tokio_tungstenite::tungstenite::error::ProtocolError as P;
        match error {
            // A killed server sends no close frame.
            E::ConnectionClosed
            | E::AlreadyClosed
            | E::Protocol(P::ResetWithoutClosingHandshake | P::HandshakeIncomplete) => Self::Closed,
            other => Self::Websocket(Box::new(other)),
        }
    }
}

impl From<ReadError> for ClientError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::TooLong => Self::TooLong,
            ReadError::Broken(error) => error.into(),
        }
    }
}

impl From<reqwest::Error> for ClientError {
    fn from(error: reqwest::Error) -> Self {
        // The URL contains the session id, which does not belong in an error.
        Self::Http(Box::new(error.without_url()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};

    #[test]
    fn a_server_that_ends_without_a_word_is_unreachable_and_breaks_no_protocol() {
        for (error, failure) in [
            (
                ProtocolError::ResetWithoutClosingHandshake,
                Failure::Unreachable,
            ),
            (ProtocolError::HandshakeIncomplete, Failure::Unreachable),
            (ProtocolError::UnmaskedFrameFromClient, Failure::Protocol),
        ] {
            let error = ClientError::from(Error::Protocol(error));
            assert_eq!(error.failure(), failure, "{error}");
        }
    }

    #[test]
    fn a_request_that_took_too_long_is_no_failure_of_authentication() {
        for (code, failure) in [
            ("CERTIFICATE_TIMEOUT", Failure::Authentication),
            ("ERR_REQUEST_TIMEOUT", Failure::Unreachable),
            ("", Failure::Unreachable),
        ] {
            let body = serde_json::json!({ "code": code }).to_string();
            let error = refusal(408, None, body.as_bytes(), "");
            assert_eq!(error.failure(), failure, "{code}");
        }
    }

    #[test]
    fn a_websocket_that_is_refused_says_what_the_server_says() {
        use tokio_tungstenite::tungstenite::http::Response;
        let answer = |body: Option<&[u8]>| {
            let answer = Response::builder()
                .status(404)
                .header("x-request-id", "01J9");
            let answer = answer.body(body.map(<[u8]>::to_vec)).unwrap();
            ClientError::from(Error::Http(Box::new(answer))).to_string()
        };
        assert_eq!(
            answer(Some(
                br#"{"code":"ERR_OFF","description":"Sockets are off."}"#
            )),
            "websocket: the server answered 404: Sockets are off. (request 01J9)"
        );
        assert_eq!(
            answer(None),
            "websocket: the server answered 404: it opens no websocket (request 01J9)"
        );
    }
}
