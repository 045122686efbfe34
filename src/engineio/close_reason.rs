//! Why a session ended, in the words that Engine.IO and Socket.IO use.

use std::fmt;

/// Why a session ended. [`fmt::Display`] writes the protocol's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client's transport disconnected, or the client sent a close packet.
    TransportClose,
    /// The transport failed: an overlapping or aborted poll, or a failed write.
    TransportError,
    /// The client sent no pong within `ping_timeout`.
    PingTimeout,
    /// The client sent bytes that do not parse as a packet.
    ParseError,
    /// The server closed the session.
    ForcedClose,
    /// The client left more than `max_outbound_bytes` unread.
    SlowConsumer,
    /// The client sent faster than its rate limit for too long.
    TooFast,
    /// The server is shutting down.
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

    /// Whether the session sends its queued frames before it ends.
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
