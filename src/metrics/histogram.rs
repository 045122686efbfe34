//! How values are spread: buckets that double, each an atomic. Recording costs three relaxed additions and takes no lock, so
//! it may be done where work is done; what percentiles say is exact up to a factor of two.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets up to 1, 2, 4, ... and one for what is above; with microseconds the last bound is half a minute.
const BUCKETS: usize = 27;

/// Counts values, such as microseconds.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
    max: AtomicU64,
}

impl Histogram {
    /// Counts a value.
    pub fn record(&self, value: u64) {
        // The first whose bound it does not pass.
        let doublings = value
            .saturating_sub(1)
            .checked_ilog2()
            .map_or(0, |log| log + 1);
        let index = usize::try_from(doublings).map_or(BUCKETS - 1, |index| index.min(BUCKETS - 1));
        if let Some(bucket) = self.buckets.get(index) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
        self.max.fetch_max(value, Ordering::Relaxed);
    }

    /// Counts a time, in microseconds.
    pub fn record_time(&self, time: Duration) {
        self.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// What was counted so far.
    #[must_use]
    pub fn get(&self) -> Distribution {
        let buckets = self
            .buckets
            .each_ref()
            .map(|bucket| bucket.load(Ordering::Relaxed));
        Distribution {
            buckets,
            sum: self.sum.load(Ordering::Relaxed),
            max: self.max.load(Ordering::Relaxed),
        }
    }
}

/// What a [`Histogram`] had counted at some time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Distribution {
    buckets: [u64; BUCKETS],
    /// All values together.
    pub sum: u64,
    /// The largest value.
    pub max: u64,
}

impl Distribution {
    /// How many values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The bound of each bucket but the last, and how many values are not above it.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let bounded = self.buckets.iter().take(BUCKETS - 1).enumerate();
        bounded.scan(0, |below, (index, count)| {
            *below += count;
            Some((1 << index, *below))
        })
    }

    /// Of the values that came after an earlier look. Their largest is known by its bucket only.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        for (count, before) in since.buckets.iter_mut().zip(&earlier.buckets) {
            *count = count.saturating_sub(*before);
        }
        since.sum = self.sum.saturating_sub(earlier.sum);
        since.max = match since.count() {
            0 => 0,
            _ => since.percentile(1.0),
        };
        since
    }

    /// A value that at least this part of all is not above (0 to 1): the bound of its bucket, but no more than the largest value.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a count"
    )]
    pub fn percentile(&self, part: f64) -> u64 {
        let rank = (self.count() as f64 * part).ceil() as u64;
        let found = self.cumulative().find(|(_, below)| *below >= rank.max(1));
        found.map_or(self.max, |(bound, _)| bound.min(self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_fall_into_the_bucket_whose_bound_they_do_not_pass() {
        let histogram = Histogram::default();
        for value in [0, 1, 2, 3, 4, 5, 1 << 40] {
            histogram.record(value);
        }
        let counted = histogram.get();
        let first: Vec<_> = counted.cumulative().take(4).collect();
        assert_eq!(first, [(1, 2), (2, 3), (4, 5), (8, 6)]);
        assert_eq!((counted.count(), counted.max), (7, 1 << 40));
        assert_eq!(counted.cumulative().last(), Some((1 << 25, 6)));
        assert_eq!(counted.percentile(1.0), 1 << 40);
        assert_eq!(Distribution::default().percentile(0.5), 0);
    }

    #[test]
    fn what_came_since_is_told_from_what_was_there() {
        let histogram = Histogram::default();
        histogram.record(1 << 20);
        let earlier = histogram.get();
        assert_eq!(earlier.since(&earlier), Distribution::default());
        for value in [3, 5, 100] {
            histogram.record(value);
        }
        let since = histogram.get().since(&earlier);
        assert_eq!((since.count(), since.sum, since.max), (3, 108, 128));
        assert_eq!(since.percentile(0.5), 8);
    }

    proptest! {
        /// Against sorting all of them.
        #[test]
        fn a_percentile_is_right_up_to_a_factor_of_two(mut values in proptest::collection::vec(1_u64..1 << 24, 1..200), part in 0.0..1.0_f64) {
            let histogram = Histogram::default();
            for value in &values {
                histogram.record(*value);
            }
            values.sort_unstable();
            #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a count")]
            let rank = ((values.len() as f64 * part).ceil() as usize).max(1);
            let (exact, said) = (values[rank - 1], histogram.get().percentile(part));
            prop_assert!(said >= exact && said < 2 * exact.max(1), "{exact} {said}");
        }
    }
}
