//! The move from polling to a websocket (Engine.IO v4, "Upgrade").

use std::time::{Duration, Instant};

use thiserror::Error;

/// How long a poll that arrives after the probe waits before the server ends it. The client is about to send `upgrade`,
/// and then this poll is surplus.
pub(super) const PROBED_POLL_WAIT: Duration = Duration::from_millis(50);

/// Why a websocket cannot join the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UpgradeRefused {
    /// The session is already on a websocket.
    #[error("the session is on a websocket already")]
    AlreadyUpgraded,
    /// Another websocket is being probed.
    #[error("the session is being upgraded already")]
    AlreadyUpgrading,
    /// The session is closing or closed.
    #[error("the session is closed")]
    Closed,
}

/// The progress of an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upgrade {
    Idle,
    /// A websocket is attached and has not sent `2probe`.
    Attached {
        deadline: Instant,
    },
    /// The server sent `3probe`. The client ends its poll and then sends `5`.
    Probed {
        deadline: Instant,
    },
}

impl Upgrade {
    /// When the server abandons the upgrade.
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
