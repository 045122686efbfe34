//! Session steps of writes, and their results.

use std::collections::{HashMap, HashSet};

use crate::model::{ClaimRefusal, SessionRow};

/// A session to store, and its life from now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredSession {
    pub(crate) record: SessionRow,
    pub(crate) authenticated: bool,
    pub(crate) life_ms: i64,
}

/// A change of a session that a write requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SessionStep {
    Store(StoredSession),
    /// Extends the session by this many milliseconds.
    Prolong(String, i64),
    /// `authenticated`: whether a request was authenticated in them.
    End {
        own_nonces: Vec<String>,
        authenticated: bool,
    },
}

/// The results of a group's session steps.
#[derive(Debug, Default)]
pub(crate) struct SessionSteps {
    /// Sessions that had ended before they could be extended.
    pub(crate) ended: HashSet<String>,
    /// By position in the group.
    pub(crate) refusals: HashMap<usize, ClaimRefusal>,
}

impl SessionSteps {
    /// The reason why the write at this position is refused, if any.
    pub(crate) fn refusal(&self, place: usize) -> Option<ClaimRefusal> {
        self.refusals.get(&place).copied()
    }
}
