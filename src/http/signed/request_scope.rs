//! How often the request counts that is being answered.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::auth::{AuthError, sha256};
use crate::db::DbHandle;
use crate::limits::AddressKey;
use crate::model::{ClaimRefusal, MAX_CLAIM_CHARS, RequestClaim};

use super::session_lookup::unknown_session;
use super::shared_sessions::Claimed;

/// What is known of a verified request.
#[derive(Debug)]
pub(in crate::http) struct RequestScope {
    own_nonce: String,
    /// Whether the store has counted it already.
    is_counted: bool,
    /// Counts it with what it writes.
    claim: Option<RequestClaim>,
    /// Whether its session began in this process, which then remembers all of its nonces.
    began_here: bool,
    needs_new_session: AtomicBool,
    /// Whom the limits of addresses count it for.
    address: Option<AddressKey>,
}

impl RequestScope {
    pub(in crate::http) fn new(
        own_nonce: &str,
        nonce: &str,
        claimed: Option<Claimed>,
        began_here: bool,
    ) -> Self {
        let with_its_write = claimed == Some(Claimed::WithItsWrite);
        Self {
            own_nonce: own_nonce.to_owned(),
            is_counted: claimed == Some(Claimed::First),
            claim: with_its_write.then(|| RequestClaim::new(own_nonce, &short(nonce))),
            began_here,
            needs_new_session: AtomicBool::new(false),
            address: None,
        }
    }

    /// The same, from this address.
    pub(super) fn with_address(self, address: Option<AddressKey>) -> Self {
        Self { address, ..self }
    }

    /// Whom the limits of addresses count it for.
    pub(in crate::http) const fn address(&self) -> Option<AddressKey> {
        self.address
    }

    /// Counts the request with what it writes.
    pub(in crate::http) const fn claim(&self) -> Option<&RequestClaim> {
        self.claim.as_ref()
    }

    /// Whether the request counts once over all nodes and restarts. Where the store cannot say so, its session must have
    /// begun in this process; otherwise the client has to shake hands again.
    pub(in crate::http) async fn counts_once(&self, db: &DbHandle) -> bool {
        if self.is_counted {
            return true;
        }
        if self.claim.is_some() {
            match db.claim_now().await {
                Ok(()) => return true,
                Err(error) => log::debug!("a request was not counted: {error}"),
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

    /// Why the request must not be answered, after all.
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
