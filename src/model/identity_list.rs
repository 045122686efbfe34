//! The operator's lists of identities.

use thiserror::Error;

use crate::ids::IdentityKey;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IdentityList {
    /// Identities that the server refuses.
    Block,
    /// If not empty: the only identities that the server accepts.
    Allow,
}

impl IdentityList {
    pub const ALL: [Self; 2] = [Self::Block, Self::Allow];

    /// The list's name in tables, routes and commands.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Allow => "allow",
        }
    }

    /// The list with this name.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.word() == word)
    }
}

/// An identity that was added to a list, or removed from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListChange {
    pub list: IdentityList,
    pub identity: IdentityKey,
    /// Whether the identity is on the list from now on.
    pub listed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedIdentity {
    pub identity: IdentityKey,
    /// The time of its addition, ISO 8601.
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
