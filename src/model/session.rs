//! A session that all processes share.

use crate::ids::IdentityKey;

/// The stored part of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// The server's nonce, which identifies the session.
    pub own_nonce: String,
    /// The client's nonce, unchanged.
    pub peer_nonce: String,
    /// The client's identity key.
    pub peer: IdentityKey,
}
