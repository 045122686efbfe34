//! Histograms with buckets that double. Recording costs three relaxed atomic operations and takes no lock. Percentiles are
//! exact up to a factor of two.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

/// Buckets up to 1, 2, 4, ... and one for the rest. In microseconds, the last bound is half a minute.
const BUCKETS: usize = 27;

/// Counts values, such as microseconds, by bucket.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
    max: AtomicU64,
}

impl Histogram {
    pub fn record(&self, value: u64) {
        // The first bucket whose bound the value does not exceed.
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

    pub fn record_time(&self, time: Duration) {
        self.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

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

impl Clone for Histogram {
    fn clone(&self) -> Self {
        let Distribution { buckets, sum, max } = self.get();
        Self {
            buckets: buckets.map(AtomicU64::new),
            sum: sum.into(),
            max: max.into(),
        }
    }
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.get().serialize(serializer)
    }
}

/// The values of a [`Histogram`] at one time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Distribution {
    buckets: [u64; BUCKETS],
    pub sum: u64,
    pub max: u64,
}

impl Distribution {
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The bound of each bucket but the last, with the number of values up to it.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let bounded = self.buckets.iter().take(BUCKETS - 1).enumerate();
        bounded.scan(0, |below, (index, count)| {
            *below += count;
            Some((1 << index, *below))
        })
    }

    /// The values since an earlier time. The largest of them is known by its bucket only.
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

    /// The bound of the bucket with this percentile (0 to 1), but at most the largest value.
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

/// How a [`Distribution`] is serialised.
#[derive(Serialize, ToSchema)]
struct Percentiles {
    count: u64,
    p50: u64,
    p95: u64,
    p99: u64,
    max: u64,
}

impl Serialize for Distribution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let percentiles = Percentiles {
            count: self.count(),
            p50: self.percentile(0.5),
            p95: self.percentile(0.95),
            p99: self.percentile(0.99),
            max: self.max,
        };
        percentiles.serialize(serializer)
    }
}

macro_rules! percentiles_schema {
    ($($name:ident),*) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                Percentiles::schema()
            }
        }

        impl ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                Percentiles::name()
            }
        }
    )*};
}

percentiles_schema!(Histogram, Distribution);

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
