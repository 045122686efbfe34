//! Sessions that all processes share, and request claims.
//!
//! A request counts once, because its nonce is claimed in the transaction of its write.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use thiserror::Error;

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

/// Maximum characters of a message nonce in the table.
pub const MAX_CLAIM_CHARS: usize = 64;

/// A claim for one request of a session. Cheap to clone; all clones claim the same request.
#[derive(Debug, Clone)]
pub struct RequestClaim(Arc<Claim>);

#[derive(Debug)]
struct Claim {
    session_nonce: String,
    message_nonce: String,
    /// Whether a write has taken the claim.
    is_taken: AtomicBool,
    refusal: OnceLock<ClaimRefusal>,
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClaimRefusal {
    /// It was served before, by this process or another.
    #[error("the request was served before")]
    Repeated,
    /// Its session has expired or was ended.
    #[error("the session of the request has ended")]
    SessionEnded,
}

impl RequestClaim {
    /// Creates a claim. The session is identified by the server's nonce. The request's nonce has up to
    /// [`MAX_CLAIM_CHARS`].
    #[must_use]
    pub fn new(session_nonce: &str, message_nonce: &str) -> Self {
        Self(Arc::new(Claim {
            session_nonce: session_nonce.to_owned(),
            message_nonce: message_nonce.to_owned(),
            is_taken: AtomicBool::new(false),
            refusal: OnceLock::new(),
        }))
    }

    /// The reason why a write of the request was refused, if any.
    #[must_use]
    pub fn refusal(&self) -> Option<ClaimRefusal> {
        self.0.refusal.get().copied()
    }

    pub(crate) fn refuse(&self, refusal: ClaimRefusal) {
        // Only the first refusal counts, and only one write claims.
        let _ = self.0.refusal.set(refusal);
    }

    /// The claim for the first write of the request; none for later writes.
    pub(crate) fn take(&self) -> Option<Self> {
        let was_taken = self.0.is_taken.swap(true, Ordering::AcqRel);
        (!was_taken).then(|| self.clone())
    }

    pub(crate) fn session_nonce(&self) -> &str {
        &self.0.session_nonce
    }

    pub(crate) fn message_nonce(&self) -> &str {
        &self.0.message_nonce
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_write_of_a_request_claims_it() {
        let claim = RequestClaim::new("s", "n");
        let clone = claim.clone();
        assert!(clone.take().is_some());
        assert!(claim.take().is_none());
        clone.refuse(ClaimRefusal::Repeated);
        assert_eq!(claim.refusal(), Some(ClaimRefusal::Repeated));
    }
}
