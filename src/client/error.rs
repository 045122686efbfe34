//! Why something that a client tried did not come about.

pub(super) mod refusal;

use thiserror::Error;

use crate::auth::AuthError;
use crate::engineio::DecodeError;
use crate::events;
use crate::outbound::http::ReadError;
use crate::socketio::SocketIoDecodeError;

use refusal::{refusal, request_id_of};

/// A failure, sorted by what the caller can do about it.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The websocket could not be opened, or broke.
    #[error("websocket: {}", websocket_reason(.0))]
    Websocket(#[source] Box<tokio_tungstenite::tungstenite::Error>),
    /// A request could not be made, or had no answer.
    #[error("HTTP: {}", with_source(.0))]
    Http(#[source] Box<reqwest::Error>),
    /// The server ended the connection.
    #[error("the server closed the connection")]
    Closed,
    /// It took longer than the caller wanted to wait.
    #[error("{0} took too long")]
    Timeout(&'static str),
    /// The server answered with a status that is a failure.
    #[error("the server answered {status}: {description}{}", request_text(.request_id.as_deref()))]
    Refused {
        /// HTTP status.
        status: u16,
        /// `code` of the answer, if it has one.
        code: String,
        /// What the answer says, shortened.
        description: String,
        /// What the request costs (402).
        satoshis: Option<u64>,
        /// The id under which the server's operator finds the request, if the answer has one (`x-request-id`).
        request_id: Option<String>,
    },
    /// An event was answered by its failure.
    #[error("{event}: {reason}")]
    EventRefused {
        /// The event that said so.
        event: String,
        /// Its `reason`.
        reason: String,
    },
    /// What came is no Engine.IO packet.
    #[error("Engine.IO: {0}")]
    EngineIo(#[from] DecodeError),
    /// What came is no Socket.IO packet.
    #[error("Socket.IO: {0}")]
    SocketIo(#[from] SocketIoDecodeError),
    /// The server refuses the namespace.
    #[error("the namespace was refused: {0}")]
    NamespaceRefused(String),
    /// An auth message, or a reply, does not verify.
    #[error("authentication: {0}")]
    Auth(#[from] AuthError),
    /// An answer lacks a valid signature of the server.
    #[error("the answer is not signed by the server")]
    Unsigned,
    /// An answer has more bytes than the client reads.
    #[error("the answer is too long")]
    TooLong,
    /// What came makes no sense at this point.
    #[error("unexpected: {0}")]
    Unexpected(&'static str),
}

/// What a failure comes from, and so who can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nobody answers, or not in time, or the connection broke: trying again later may help.
    Unreachable,
    /// One of the two ends has not proven, or may not be, who it says it is.
    Authentication,
    /// The server understood, and does not do it.
    Refused,
    /// What answers does not keep to the protocol: it may be no MessageBox server at all.
    Protocol,
}

impl ClientError {
    /// What it comes from.
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
                // The request did not arrive in time.
                408 => Failure::Unreachable,
                // A proxy, in place of a server that is gone.
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
    /// The HTTP status that says it, where one does.
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

/// The end of a refusal's text: what to tell the server's operator.
fn request_text(id: Option<&str>) -> String {
    id.map_or_else(String::new, |id| format!(" (request {id})"))
}

/// What a server says that opens no websocket, or what else went wrong.
fn websocket_reason(error: &tokio_tungstenite::tungstenite::Error) -> String {
    let tokio_tungstenite::tungstenite::Error::Http(answer) = error else {
        return error.to_string();
    };
    let body = answer.body().as_deref().unwrap_or_default();
    let id = request_id_of(answer.headers());
    refusal(answer.status().as_u16(), id, body, "it opens no websocket").to_string()
}

/// The HTTP client hides the reason one level down.
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
            // A server that was killed says no goodbye.
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
        // The address holds the session id, which nobody needs to see.
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
