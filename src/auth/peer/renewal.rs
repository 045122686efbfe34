//! Renewal of sessions: when a peer needs a new one, and how the old one retires.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Peer;

impl Peer {
    /// Whether this side should start a new handshake. Both sides remember a limited number of nonces of a session.
    #[must_use]
    pub fn needs_renewal(&self) -> bool {
        self.entries.iter().any(|entry| {
            entry.authenticated
                && entry.retires.is_none()
                && (entry.received >= self.config.renew_after_received
                    || entry.signed.load(Ordering::Relaxed) >= self.config.renew_after_signed)
        })
    }

    /// Whether the counterparty has a session in which it has not authenticated.
    #[must_use]
    pub fn awaits_authentication(&self) -> bool {
        self.entries.iter().any(|entry| !entry.authenticated)
    }

    /// Whether every session has reached its nonce limit, so that no message of the counterparty can verify.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        let mut authenticated = self.entries.iter().filter(|entry| entry.authenticated);
        authenticated.all(|entry| entry.session.is_exhausted())
    }

    /// Retires all sessions but the newest. They sign nothing more, and verify messages until `until`.
    pub fn retire_older(&mut self, until: Instant) {
        if let Some((_, older)) = self.entries.split_last_mut() {
            for entry in older {
                entry.signs = false;
                entry.retires.get_or_insert(until);
            }
        }
    }

    /// Drops retired sessions at the end of their time.
    pub fn forget_retired(&mut self, now: Instant) {
        self.entries
            .retain(|entry| entry.retires.is_none_or(|until| until > now));
    }
}
