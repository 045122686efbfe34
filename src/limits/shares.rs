//! What the sockets of one identity share: their number, and their rate of frames and bytes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::ids::IdentityKey;

use super::budget::{KeyedBudget, Permit};
use super::refusals::LimitExceeded;
use super::token_bucket::{BucketRates, Cost, TokenBucket};

/// Limits the sockets of each identity.
pub type IdentityShares = KeyedBudget<IdentityKey, Mutex<TokenBucket>>;

/// One socket of an identity.
#[derive(Debug)]
pub struct Share {
    permit: Permit<IdentityKey, Mutex<TokenBucket>>,
    bucket: Arc<Mutex<TokenBucket>>,
}

impl Share {
    /// Counts a socket of this identity, until the share is dropped.
    ///
    /// # Errors
    /// [`LimitExceeded`].
    pub fn take(shares: &IdentityShares, identity: IdentityKey) -> Result<Self, LimitExceeded> {
        let permit = shares.take(Some(identity))?;
        let bucket = permit.shared().next().unwrap_or_default();
        Ok(Self { permit, bucket })
    }

    #[must_use]
    pub fn identity(&self) -> Option<IdentityKey> {
        self.permit.owner().copied()
    }

    /// As [`TokenBucket::charge`], for all sockets of the identity together.
    #[must_use]
    pub fn charge(&self, rates: &BucketRates, cost: Cost, now: Instant) -> Duration {
        self.bucket.lock().charge(rates, cost, now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::token_bucket::Rate;
    use super::*;
    use crate::auth::Identity;

    #[test]
    fn sockets_of_one_identity_share_what_it_may_send() {
        let rates = BucketRates {
            frames: Rate::new(1, Duration::from_secs(1)),
            bytes: Rate::new(0, Duration::ZERO),
        };
        let shares = IdentityShares::of_places(2, usize::MAX);
        let keys = [(); 2].map(|()| Identity::random().identity_key());
        let [first, second, other] =
            [0, 0, 1].map(|index: usize| Share::take(&shares, keys[index]).unwrap());
        let full = Share::take(&shares, keys[0]).err();
        assert_eq!(full, Some(LimitExceeded::PerKey));
        let now = Instant::now();
        let charge = |share: &Share| {
            let cost = Cost {
                frames: 1,
                bytes: 9,
            };
            share.charge(&rates, cost, now)
        };
        assert_eq!(charge(&first), Duration::ZERO);
        assert_eq!(charge(&second), Duration::from_secs(1));
        assert_eq!(charge(&other), Duration::ZERO);
        assert_eq!((shares.owners(), other.identity()), (2, Some(keys[1])));
        drop((first, other));
        // The bucket lives as long as the identity has a socket.
        let again = Share::take(&shares, keys[0]).unwrap();
        assert_eq!(charge(&again), Duration::from_secs(2));
        drop((second, again));
        assert_eq!(shares.owners(), 0);
    }
}
