//! A session as all processes share it.

use crate::ids::IdentityKey;

/// What a session is restored from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// The server's nonce, which names the session.
    pub own_nonce: String,
    /// The client's nonce, as it wrote it.
    pub peer_nonce: String,
    /// The client's key.
    pub peer: IdentityKey,
}
