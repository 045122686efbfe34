//! Why a session ended, in the words that Engine.IO and Socket.IO use.

use std::fmt;

/// The reason of a session's end. [`fmt::Display`] gives the protocol's own text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client's transport went away, or the client said that it closes.
    TransportClose,
    /// The transport failed: an overlapping or aborted poll, a write that could not be made.
    TransportError,
    /// No pong came in time.
    PingTimeout,
    /// The client sent something that is no packet.
    ParseError,
    /// The server closed the session.
    ForcedClose,
    /// More bytes were waiting for the client than `max_outbound_bytes`.
    SlowConsumer,
    /// It sent so much that it would have had to wait too long for its turn.
    TooFast,
    /// The server is going down.
    ServerShutdown,
}

impl CloseReason {
    /// The protocol's text for this reason.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TransportClose => "transport close",
            Self::TransportError | Self::SlowConsumer | Self::TooFast => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::ParseError => "parse error",
            Self::ForcedClose => "forced close",
            Self::ServerShutdown => "server shutting down",
        }
    }

    /// Whether the other end may still read what is waiting for it.
    #[must_use]
    pub const fn flushes(self) -> bool {
        matches!(self, Self::ForcedClose | Self::ServerShutdown)
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
