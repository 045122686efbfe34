//! A session does not last for ever: when a new one must be begun, and what becomes of the old one.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Peer;

impl Peer {
    /// Whether a session has carried so many messages that a new one must be begun, by a handshake of ours: each end
    /// remembers the nonces of a session, and only so many.
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

    /// Whether the counterparty has no session left in which it could send anything.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        let mut proven = self.entries.iter().filter(|entry| entry.proven);
        proven.all(|entry| entry.session.is_used_up())
    }

    /// The newest session takes the place of all others: these sign nothing any more, and verify until `until`.
    pub fn retire_older(&mut self, until: Instant) {
        if let Some((_, older)) = self.entries.split_last_mut() {
            for entry in older {
                entry.signs = false;
                entry.retires.get_or_insert(until);
            }
        }
    }

    /// Forgets the retired sessions whose time is over.
    pub fn forget_retired(&mut self, now: Instant) {
        self.entries
            .retain(|entry| entry.retires.is_none_or(|until| until > now));
    }
}
