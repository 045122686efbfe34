//! Why something that a client tried did not come about.

use thiserror::Error;

use crate::auth::AuthError;
use crate::engineio;
use crate::socketio;

/// A failure, sorted by what the caller can do about it.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The websocket could not be opened, or broke.
    #[error("websocket: {0}")]
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
    #[error("the server answered {status}: {description}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// `code` of the answer, if it has one.
        code: String,
        /// What the answer says, shortened.
        description: String,
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
    EngineIo(#[from] engineio::DecodeError),
    /// What came is no Socket.IO packet.
    #[error("Socket.IO: {0}")]
    SocketIo(#[from] socketio::DecodeError),
    /// The server refuses the namespace.
    #[error("the namespace was refused: {0}")]
    NamespaceRefused(String),
    /// An auth message, or a reply, does not verify.
    #[error("authentication: {0}")]
    Auth(#[from] AuthError),
    /// An answer lacks a valid signature of the server.
    #[error("the answer is not signed by the server")]
    Unsigned,
    /// What came makes no sense at this point.
    #[error("unexpected: {0}")]
    Unexpected(&'static str),
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
        match error {
            E::ConnectionClosed | E::AlreadyClosed => Self::Closed,
            other => Self::Websocket(Box::new(other)),
        }
    }
}

impl From<reqwest::Error> for ClientError {
    fn from(error: reqwest::Error) -> Self {
        // The address holds the session id, which nobody needs to see.
        Self::Http(Box::new(error.without_url()))
    }
}
