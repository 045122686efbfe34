//! The operator's lists of identities.

use thiserror::Error;

use crate::ids::IdentityKey;

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IdentityList {
    /// Identities that are not served.
    Block,
    /// Where it has any: the only identities that are served.
    Allow,
}

impl IdentityList {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Block, Self::Allow];

    /// The word in tables, routes and commands.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Allow => "allow",
        }
    }

    /// The list of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.word() == word)
    }
}

/// An identity that was added to a list, or removed from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListChange {
    /// Which list.
    pub list: IdentityList,
    /// Which identity.
    pub identity: IdentityKey,
    /// Whether it is on the list from then on.
    pub listed: bool,
}

/// An identity on a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedIdentity {
    /// Which identity.
    pub identity: IdentityKey,
    /// Since when, ISO 8601.
    pub since: String,
}

/// Why an identity is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotServed {
    /// It is on the block list.
    #[error("The operator of this server has blocked your identity")]
    Blocked,
    /// There is an allow list, and it is not on that.
    #[error("This server serves a list of identities, and yours is not on it")]
    NotAllowed,
}
