//! Limits what one source sends per second, by delaying it.
//!
//! A token bucket delays instead of refusing: the server accepts what arrived and pauses before it reads more. Requests
//! use `governor` instead. It can only accept or refuse, and it refuses a cost above its burst.

use std::time::{Duration, Instant};

/// A rate per second, and a burst of `burst` times that rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    per_second: u64,
    burst: Duration,
}

impl Rate {
    /// A rate of 0 means no limit.
    #[must_use]
    pub const fn new(per_second: u64, burst: Duration) -> Self {
        Self { per_second, burst }
    }

    pub(super) const fn per_second(self) -> u64 {
        self.per_second
    }

    pub(super) const fn burst(self) -> Duration {
        self.burst
    }

    /// How long `count` units take at this rate.
    fn time_of(self, count: usize) -> Duration {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let nanos = count.saturating_mul(1_000_000_000);
        nanos
            .checked_div(self.per_second)
            .map_or(Duration::ZERO, Duration::from_nanos)
    }
}

/// The rates of one source, for frames or packets and for their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketRates {
    pub frames: Rate,
    pub bytes: Rate,
}

/// What one read costs: frames or packets, and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    pub frames: usize,
    pub bytes: usize,
}

/// When the bucket is full again. A later time means fewer tokens.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket(Option<Instant>);

impl Bucket {
    fn charge(&mut self, rate: Rate, count: usize, now: Instant) -> Duration {
        let whole = self.0.map_or(now, |whole| whole.max(now)) + rate.time_of(count);
        self.0 = Some(whole);
        whole.saturating_duration_since(now + rate.burst)
    }
}

/// The tokens that a source has left, for frames and for bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokenBucket {
    frames: Bucket,
    bytes: Bucket,
}

impl TokenBucket {
    /// Charges what arrived. Returns how long to wait before reading more.
    pub fn charge(&mut self, rates: &BucketRates, cost: Cost, now: Instant) -> Duration {
        let frames = self.frames.charge(rates.frames, cost.frames, now);
        frames.max(self.bytes.charge(rates.bytes, cost.bytes, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rates(frames: u64, bytes: u64) -> BucketRates {
        BucketRates {
            frames: Rate::new(frames, 2 * SECOND),
            bytes: Rate::new(bytes, 2 * SECOND),
        }
    }

    fn cost(frames: usize, bytes: usize) -> Cost {
        Cost { frames, bytes }
    }

    #[test]
    fn a_burst_is_free_and_then_the_rate_holds() {
        let (mut bucket, start) = (TokenBucket::default(), Instant::now());
        let rates = rates(10, 1_000);
        let mut charge = |frames, after| bucket.charge(&rates, cost(frames, 0), start + after);
        assert_eq!(charge(20, Duration::ZERO), Duration::ZERO);
        assert_eq!(charge(1, Duration::ZERO), SECOND / 10);
        assert_eq!(charge(5, Duration::ZERO), SECOND * 6 / 10);
        // A source that waits that long may send one more, and then waits again.
        assert_eq!(charge(1, SECOND * 6 / 10), SECOND / 10);
        // After a while the bucket is full again.
        assert_eq!(charge(20, SECOND * 9), Duration::ZERO);
        assert_eq!(charge(1, SECOND * 9), SECOND / 10);
    }

    #[test]
    fn the_longer_wait_counts_and_0_is_no_limit() {
        let now = Instant::now();
        let mut bucket = TokenBucket::default();
        assert_eq!(
            bucket.charge(&rates(10, 1_000), cost(30, 5_000), now),
            3 * SECOND
        );
        let mut bucket = TokenBucket::default();
        assert_eq!(
            bucket.charge(&rates(0, 1_000), cost(99, 2_000), now),
            Duration::ZERO
        );
        assert_eq!(
            bucket.charge(&rates(0, 0), cost(99, usize::MAX), now),
            Duration::ZERO
        );
    }
}
