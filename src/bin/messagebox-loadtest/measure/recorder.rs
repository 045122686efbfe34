//! Records latencies and counts per second of operations.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use hdrhistogram::Histogram;
use parking_lot::Mutex;

use super::clock::Clock;

/// Longest recorded latency in microseconds: 10 minutes.
const LONGEST: u64 = 600_000_000;
/// Significant digits of latencies.
const DIGITS: u8 = 3;
/// Histograms per operation, so that threads seldom contend.
const SHARDS: usize = 8;
/// Seconds after the measured window that still have a counter.
const EXTRA_SECONDS: usize = 120;

/// A kind of operation, such as a delivery.
#[derive(Debug)]
pub(crate) struct TimedOperation {
    name: &'static str,
    clock: Arc<Clock>,
    /// Whether the time outside of the measured window counts too.
    always: bool,
    shards: Vec<Mutex<Histogram<u64>>>,
    next_shard: AtomicUsize,
    completed: AtomicU64,
    series: Vec<AtomicU64>,
}

impl TimedOperation {
    /// An operation that counts in the measured window.
    pub(crate) fn new(name: &'static str, clock: &Arc<Clock>) -> Self {
        Self::with(name, clock, false)
    }

    /// An operation that always counts.
    pub(crate) fn always(name: &'static str, clock: &Arc<Clock>) -> Self {
        Self::with(name, clock, true)
    }

    fn with(name: &'static str, clock: &Arc<Clock>, always: bool) -> Self {
        let seconds = super::figures::whole(clock.seconds() + clock.warm_up_seconds());
        let seconds = usize::try_from(seconds).unwrap_or(0) + EXTRA_SECONDS;
        // The bounds are valid, so no histogram is missing.
        let histogram = || Histogram::new_with_bounds(1, LONGEST, DIGITS).ok();
        Self {
            name,
            clock: Arc::clone(clock),
            always,
            shards: (0..SHARDS)
                .filter_map(|_| histogram().map(Mutex::new))
                .collect(),
            next_shard: AtomicUsize::new(0),
            completed: AtomicU64::new(0),
            series: (0..seconds).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// The histogram for one task.
    pub(crate) fn shard(&self) -> usize {
        self.next_shard.fetch_add(1, Ordering::Relaxed) % SHARDS
    }

    /// Records an operation that is done now and should have begun at `intended`.
    pub(crate) fn record(&self, shard: usize, intended: u64) {
        self.record_at(shard, intended, self.clock.now());
    }

    fn record_at(&self, shard: usize, intended: u64, completed: u64) {
        if let Some(second) = self.clock.second(completed)
            && let Some(counter) = self.series.get(second)
        {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        if self.always || self.clock.measures(completed) {
            self.completed.fetch_add(1, Ordering::Relaxed);
        }
        if (self.always || self.clock.measures(intended))
            && let Some(histogram) = self.shards.get(shard)
        {
            let micros = completed.saturating_sub(intended).div_ceil(1_000);
            let mut histogram = histogram.lock();
            histogram.saturating_record(micros);
        }
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Completed operations in the measured window.
    pub(crate) fn completed(&self) -> u64 {
        self.completed.load(Ordering::Relaxed)
    }

    /// Completed operations in this second of the traffic.
    pub(crate) fn in_second(&self, second: usize) -> u64 {
        let counter = self.series.get(second);
        counter.map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// Latencies of operations that began in the measured window, in microseconds.
    pub(crate) fn times(&self) -> Option<Histogram<u64>> {
        let mut sum = Histogram::new_with_bounds(1, LONGEST, DIGITS).ok()?;
        for shard in &self.shards {
            let shard = shard.lock();
            // They have the same bounds, so they can be added.
            let _ = sum.add(&*shard);
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_count_from_when_an_operation_should_have_begun() {
        let clock = Arc::new(Clock::start(Duration::from_secs(1), Duration::from_secs(2)));
        let operation = TimedOperation::new("send", &clock);
        clock.begin();
        let began = clock.began();
        let second = 1_000_000_000;
        // In the warm-up; in the window; begun in the window and done after it.
        operation.record_at(0, began, began + second / 2);
        operation.record_at(1, began + second, began + second + 5_000_000);
        operation.record_at(2, began + 2 * second, began + 4 * second);
        let times = operation.times().unwrap();
        assert_eq!(times.len(), 2);
        assert_eq!(times.min(), 5_000);
        assert!(times.max().abs_diff(2_000_000) < 2_000);
        assert_eq!(operation.completed(), 1);
        assert_eq!([0, 1, 2, 4].map(|at| operation.in_second(at)), [1, 1, 0, 1]);
    }

    #[test]
    fn a_time_beyond_all_bounds_is_the_longest() {
        let clock = Arc::new(Clock::start(Duration::ZERO, Duration::from_secs(1)));
        let operation = TimedOperation::always("connect", &clock);
        operation.record_at(operation.shard(), 0, u64::MAX);
        assert!(operation.times().unwrap().max() >= LONGEST);
        assert_eq!(
            (operation.completed(), operation.in_second(usize::MAX)),
            (1, 0)
        );
    }
}
