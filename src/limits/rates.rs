//! A limit of requests per second for each key.

use std::fmt;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::token_bucket::Rate;
use crate::live::Live;

/// Minimum number of checks between two cleanups.
const MIN_CHECKS: usize = 1024;

/// Limits the requests of each key. It drops keys whose burst is full again.
pub struct KeyedRates<K: Eq + Hash + Clone> {
    limiter: Live<Option<DefaultKeyedRateLimiter<K>>>,
    clock: DefaultClock,
    /// Checks until the next cleanup.
    left: AtomicUsize,
}

impl<K: Eq + Hash + Clone> fmt::Debug for KeyedRates<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedRates").finish_non_exhaustive()
    }
}

impl<K: Eq + Hash + Clone> KeyedRates<K> {
    /// Gives each key this rate.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self {
            limiter: Live::new(quota(rate).map(RateLimiter::keyed)),
            clock: DefaultClock::default(),
            left: AtomicUsize::new(MIN_CHECKS),
        }
    }

    /// Replaces the rate. Every key starts with a full burst.
    pub fn set(&self, rate: Rate) {
        self.limiter.set(quota(rate).map(RateLimiter::keyed));
    }

    /// Counts one request of `key`.
    ///
    /// # Errors
    /// How long until the next request fits. The refused request is not counted.
    pub fn check(&self, key: &K) -> Result<(), Duration> {
        let limiter = self.limiter.get();
        let Some(limiter) = &*limiter else {
            return Ok(());
        };
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            limiter.retain_recent();
            // A cleanup costs time for each key, so the next one waits for as many checks.
            self.left
                .store(limiter.len().max(MIN_CHECKS), Ordering::Relaxed);
        }
        limiter
            .check_key(key)
            .map_err(|not_until| not_until.wait_time_from(self.clock.now()))
    }

    /// The number of keys in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.limiter
            .get()
            .as_ref()
            .as_ref()
            .map_or(0, RateLimiter::len)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn quota(rate: Rate) -> Option<Quota> {
    let per_second = u32::try_from(rate.per_second()).unwrap_or(u32::MAX);
    let per_second = NonZeroU32::new(per_second)?;
    let burst = u64::from(per_second.get())
        .saturating_mul(rate.burst().as_millis().try_into().unwrap_or(u64::MAX))
        / 1_000;
    let burst = u32::try_from(burst).unwrap_or(u32::MAX).max(1);
    Some(Quota::per_second(per_second).allow_burst(NonZeroU32::new(burst)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_burst_and_is_told_when_to_come_again() {
        let rates = KeyedRates::new(Rate::new(1, Duration::from_secs(60)));
        for _ in 0..60 {
            assert_eq!(rates.check(&"a"), Ok(()));
        }
        let wait = rates.check(&"a").unwrap_err();
        assert!(
            !wait.is_zero() && wait <= Duration::from_secs(1),
            "{wait:?}"
        );
        assert_eq!(rates.check(&"b"), Ok(()));
    }

    #[test]
    fn no_rate_is_no_limit() {
        let rates = KeyedRates::new(Rate::new(0, Duration::ZERO));
        assert!((0..9_999).all(|_| rates.check(&"a").is_ok()));
        assert!(rates.is_empty());
    }

    #[test]
    fn keys_do_not_pile_up() {
        // A burst is full again immediately.
        let rates = KeyedRates::new(Rate::new(1_000_000, Duration::from_millis(1)));
        for key in 0..100 * MIN_CHECKS {
            let _ = rates.check(&key);
        }
        assert!(rates.len() < 4 * MIN_CHECKS, "{}", rates.len());
    }
}
