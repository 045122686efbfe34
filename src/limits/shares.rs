//! What the sockets of one identity share: how many there may be, and what they may send together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::ids::IdentityKey;

use super::budget::LimitExceeded;
use super::flow::{Amount, Flow, FlowRates};

#[derive(Debug, Default)]
struct Entry {
    sockets: usize,
    flow: Arc<Mutex<Flow>>,
}

/// The identities that have sockets. Cheap to clone.
#[derive(Debug, Clone)]
pub struct IdentityShares {
    entries: Arc<Mutex<HashMap<IdentityKey, Entry>>>,
    max_sockets: usize,
    rates: FlowRates,
}

impl IdentityShares {
    /// None has a socket yet.
    #[must_use]
    pub fn new(max_sockets: usize, rates: FlowRates) -> Self {
        Self {
            entries: Arc::default(),
            max_sockets,
            rates,
        }
    }

    /// A socket of this identity, until the share is dropped.
    ///
    /// # Errors
    /// [`LimitExceeded::PerKey`].
    pub fn take(&self, identity: IdentityKey) -> Result<Share, LimitExceeded> {
        let mut entries = self.lock();
        let sockets = entries.get(&identity).map_or(0, |entry| entry.sockets);
        if sockets >= self.max_sockets {
            return Err(LimitExceeded::PerKey);
        }
        let entry = entries.entry(identity).or_default();
        entry.sockets += 1;
        let flow = Arc::clone(&entry.flow);
        drop(entries);
        Ok(Share {
            shares: self.clone(),
            identity,
            flow,
        })
    }

    /// Identities that have sockets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nobody has one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IdentityKey, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One socket's part in what its identity may have.
#[derive(Debug)]
pub struct Share {
    shares: IdentityShares,
    identity: IdentityKey,
    flow: Arc<Mutex<Flow>>,
}

impl Share {
    /// Whose it is.
    #[must_use]
    pub const fn identity(&self) -> IdentityKey {
        self.identity
    }

    /// As [`Flow::charge`], for all sockets of the identity together.
    #[must_use]
    pub fn charge(&self, amount: Amount, now: Instant) -> Duration {
        let mut flow = self.flow.lock().unwrap_or_else(PoisonError::into_inner);
        flow.charge(&self.shares.rates, amount, now)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut entries = self.shares.lock();
        if let Some(entry) = entries.get_mut(&self.identity) {
            entry.sockets -= 1;
            if entry.sockets == 0 {
                entries.remove(&self.identity);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::flow::Rate;
    use super::*;

    #[test]
    fn sockets_of_one_identity_share_what_it_may_send() {
        let one_a_second = Rate::new(1, Duration::from_secs(1));
        let rates = FlowRates {
            frames: one_a_second,
            bytes: Rate::new(0, Duration::ZERO),
        };
        let shares = IdentityShares::new(2, rates);
        let key = |last: u8| {
            let hex = format!(
                "022f8bde4d1a07209355b4a7250a5c5128e88b84bddc619ab7cba8d569b240ef{last:02x}"
            );
            hex.parse::<IdentityKey>()
        };
        let keys: Vec<IdentityKey> = (0..=255)
            .filter_map(|last| key(last).ok())
            .take(2)
            .collect();
        let (first, second) = (shares.take(keys[0]).unwrap(), shares.take(keys[0]).unwrap());
        assert_eq!(shares.take(keys[0]).err(), Some(LimitExceeded::PerKey));
        let other = shares.take(keys[1]).unwrap();
        let (now, one) = (
            Instant::now(),
            Amount {
                frames: 1,
                bytes: 9,
            },
        );
        assert_eq!(first.charge(one, now), Duration::ZERO);
        assert_eq!(second.charge(one, now), Duration::from_secs(1));
        assert_eq!(other.charge(one, now), Duration::ZERO);
        assert_eq!(shares.len(), 2);
        drop((first, other));
        // What was sent is not forgotten while there is a socket.
        let again = shares.take(keys[0]).unwrap();
        assert_eq!(again.charge(one, now), Duration::from_secs(2));
        drop((second, again));
        assert!(shares.is_empty());
    }
}
