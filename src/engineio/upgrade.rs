//! The move from polling to a websocket (Engine.IO v4, "Upgrade").

use std::time::{Duration, Instant};

use thiserror::Error;

/// How long a poll that comes after the probe waits before it is ended. The client that sent it is about to say
/// that it has moved, and then the poll is one too many.
pub(super) const PROBED_POLL_WAIT: Duration = Duration::from_millis(50);

/// A second transport may not be attached to the session now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UpgradeRefused {
    /// The session already is on a websocket.
    #[error("the session is on a websocket already")]
    AlreadyUpgraded,
    /// Another websocket is being probed.
    #[error("the session is being upgraded already")]
    AlreadyUpgrading,
    /// The session is closing or closed.
    #[error("the session is closed")]
    Closed,
}

/// How far an upgrade has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upgrade {
    /// None is under way.
    Idle,
    /// A websocket is attached; its `2probe` has not come.
    Attached { deadline: Instant },
    /// `3probe` was sent; the client ends its poll and then sends `5`.
    Probed { deadline: Instant },
}

impl Upgrade {
    /// When an upgrade under way is given up.
    pub(super) const fn deadline(self) -> Option<Instant> {
        match self {
            Self::Idle => None,
            Self::Attached { deadline } | Self::Probed { deadline } => Some(deadline),
        }
    }

    pub(super) const fn is_probed(self) -> bool {
        matches!(self, Self::Probed { .. })
    }
}
