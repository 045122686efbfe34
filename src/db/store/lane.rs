//! For whom the database works: each has a turn, however much others ask.

use crate::ids::IdentityKey;

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::db) enum Lane {
    /// The server itself.
    Server,
    /// All who have not proven who they are.
    Strangers,
    /// This identity.
    Of(IdentityKey),
}

impl From<Option<IdentityKey>> for Lane {
    fn from(owner: Option<IdentityKey>) -> Self {
        owner.map_or(Self::Server, Self::Of)
    }
}
