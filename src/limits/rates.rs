//! Requests in a second, of each of many.

use std::fmt;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::token_bucket::Rate;
use crate::live::Live;

/// Checks after which those are forgotten whose burst is whole again, at least.
const MIN_CHECKS: usize = 1024;

/// How many requests each key may make. Those who make none any more are forgotten along the way.
pub struct KeyedRates<K: Eq + Hash + Clone> {
    limiter: Live<Option<DefaultKeyedRateLimiter<K>>>,
    clock: DefaultClock,
    /// Checks that are left until the next clearing.
    left: AtomicUsize,
}

impl<K: Eq + Hash + Clone> fmt::Debug for KeyedRates<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedRates").finish_non_exhaustive()
    }
}

impl<K: Eq + Hash + Clone> KeyedRates<K> {
    /// Each has this rate.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self {
            limiter: Live::new(quota(rate).map(RateLimiter::keyed)),
            clock: DefaultClock::default(),
            left: AtomicUsize::new(MIN_CHECKS),
        }
    }

    /// Gives each this rate from now on; all begin with a whole burst.
    pub fn set(&self, rate: Rate) {
        self.limiter.set(quota(rate).map(RateLimiter::keyed));
    }

    /// Counts one request.
    ///
    /// # Errors
    /// How long until there is room for it; it was not counted.
    pub fn check(&self, key: &K) -> Result<(), Duration> {
        let limiter = self.limiter.get();
        let Some(limiter) = &*limiter else {
            return Ok(());
        };
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            limiter.retain_recent();
            // As many checks as keys are kept pay for the next look at all of them.
            self.left
                .store(limiter.len().max(MIN_CHECKS), Ordering::Relaxed);
        }
        limiter
            .check_key(key)
            .map_err(|not_until| not_until.wait_time_from(self.clock.now()))
    }

    /// Keys that are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.limiter
            .get()
            .as_ref()
            .as_ref()
            .map_or(0, RateLimiter::len)
    }

    /// Whether none is remembered.
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
        // So fast that a burst is whole again at once.
        let rates = KeyedRates::new(Rate::new(1_000_000, Duration::from_millis(1)));
        for key in 0..100 * MIN_CHECKS {
            let _ = rates.check(&key);
        }
        assert!(rates.len() < 4 * MIN_CHECKS, "{}", rates.len());
    }
}
