//! What a write asks of the sessions, and what came of it.

use std::collections::{HashMap, HashSet};

use crate::model::ClaimRefusal;

use super::session_store::StoredSession;

/// What one write asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::db) enum SessionStep {
    Store(StoredSession),
    /// It lives on for so many milliseconds.
    Prolong(String, i64),
    /// `proven`: whether a request has verified in them.
    End {
        own_nonces: Vec<String>,
        proven: bool,
    },
}

/// What came of the steps of a group.
#[derive(Debug, Default)]
pub(in crate::db) struct SessionSteps {
    /// Sessions that should have been prolonged and had ended.
    pub(in crate::db) ended: HashSet<String>,
    /// By place in the group.
    pub(in crate::db) refusals: HashMap<usize, ClaimRefusal>,
}

impl SessionSteps {
    /// Why the write at this place is not done.
    pub(in crate::db) fn refusal(&self, place: usize) -> Option<ClaimRefusal> {
        self.refusals.get(&place).copied()
    }
}
