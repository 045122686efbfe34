//! Makes sure that a request is served once, over all nodes and restarts.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::auth::{AuthError, sha256};
use crate::db::DbHandle;
use crate::limits::AddressKey;
use crate::model::{ClaimRefusal, MAX_CLAIM_CHARS, RequestClaim};

use super::sessions::unknown_session;
use super::shared_sessions::Claimed;

/// A verified request while it is being answered.
#[derive(Debug)]
pub(in crate::http) struct RequestScope {
    own_nonce: String,
    /// Whether the shared store has counted the request already.
    is_counted: bool,
    /// Counts the request in the transaction of its first write.
    claim: Option<RequestClaim>,
    /// Whether the session began in this process, which then remembers all of its nonces.
    began_here: bool,
    needs_new_session: AtomicBool,
    /// The address that the request counts for.
    address: Option<AddressKey>,
}

impl RequestScope {
    pub(super) fn new(
        own_nonce: &str,
        nonce: &str,
        claimed: Option<Claimed>,
        began_here: bool,
        address: Option<AddressKey>,
    ) -> Self {
        let with_its_write = claimed == Some(Claimed::WithItsWrite);
        Self {
            own_nonce: own_nonce.to_owned(),
            is_counted: claimed == Some(Claimed::First),
            claim: with_its_write.then(|| RequestClaim::new(own_nonce, &short(nonce))),
            began_here,
            needs_new_session: AtomicBool::new(false),
            address,
        }
    }

    pub(in crate::http) const fn address(&self) -> Option<AddressKey> {
        self.address
    }

    pub(in crate::http) const fn claim(&self) -> Option<&RequestClaim> {
        self.claim.as_ref()
    }

    /// Counts the request now, for routes that write nothing. If the store does not answer, the request counts only in the
    /// process in which its session began: that knows all nonces. Elsewhere the client has to shake hands again.
    pub(in crate::http) async fn counts_once(&self, db: &DbHandle) -> bool {
        if self.is_counted {
            return true;
        }
        if self.claim.is_some() {
            match db.claim_now().await {
                Ok(()) => return true,
                Err(error) => log::debug!("the store did not count a request: {error}"),
            }
            if self.refusal().is_some() {
                return false;
            }
        }
        if !self.began_here {
            self.needs_new_session.store(true, Ordering::Release);
        }
        self.began_here
    }

    /// Why the reply must not be sent, if so: the request turned out to be a replay, or its session has ended.
    pub(in crate::http) fn refusal(&self) -> Option<AuthError> {
        if self.needs_new_session.load(Ordering::Acquire) {
            return Some(unknown_session(&self.own_nonce));
        }
        match self.claim.as_ref()?.refusal()? {
            ClaimRefusal::Repeated => Some(AuthError::Replayed),
            ClaimRefusal::SessionEnded => Some(unknown_session(&self.own_nonce)),
        }
    }
}

/// The nonce, or a hash of a long one.
fn short(nonce: &str) -> Cow<'_, str> {
    if nonce.len() <= MAX_CLAIM_CHARS {
        nonce.into()
    } else {
        hex::encode(sha256(nonce.as_bytes())).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_of_any_length_fits_the_table() {
        for length in [44, 64, 65, 256] {
            assert!(short(&"A".repeat(length)).len() <= MAX_CLAIM_CHARS);
        }
        assert_ne!(short(&"A".repeat(65)), short(&"A".repeat(66)));
    }
}
