//! Renewal of sessions: when a peer needs a new one, and how the old one retires.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Peer;

impl Peer {
    /// Whether this end should begin a new handshake. Both ends remember the nonces of a session, up to a limit.
    #[must_use]
    pub fn needs_renewal(&self) -> bool {
        self.entries.iter().any(|entry| {
            entry.proven
                && entry.retires.is_none()
                && (entry.received >= self.config.renew_after_received
                    || entry.signed.load(Ordering::Relaxed) >= self.config.renew_after_signed)
        })
    }

    /// Whether the counterparty has begun a session in which it has not proven its key.
    #[must_use]
    pub fn awaits_proof(&self) -> bool {
        self.entries.iter().any(|entry| !entry.proven)
    }

    /// Whether every session has reached its limit of nonces, so that no message of the counterparty can verify.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        let mut proven = self.entries.iter().filter(|entry| entry.proven);
        proven.all(|entry| entry.session.is_used_up())
    }

    /// Retires all sessions but the newest: they sign nothing more, and verify until `until`.
    pub fn retire_older(&mut self, until: Instant) {
        if let Some((_, older)) = self.entries.split_last_mut() {
            for entry in older {
                entry.signs = false;
                entry.retires.get_or_insert(until);
            }
        }
    }

    /// Drops retired sessions whose time is over.
    pub fn forget_retired(&mut self, now: Instant) {
        self.entries
            .retain(|entry| entry.retires.is_none_or(|until| until > now));
    }
}
