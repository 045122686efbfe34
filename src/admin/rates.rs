//! How much happens in a second, from counts that only grow: the mean over the last few samples. Pure.

use std::collections::VecDeque;
use std::time::Instant;

/// Samples that are kept: with one a second, the last ten seconds.
const KEPT: usize = 11;

/// Counts at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    /// Verified events that came.
    pub(super) events_in: u64,
    /// Events that were sent: answers and deliveries.
    pub(super) events_out: u64,
    /// HTTP requests.
    pub(super) requests: u64,
}

/// So many in a second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct PerSecond {
    /// Verified events that came.
    pub(super) events_in: f64,
    /// Events that were sent.
    pub(super) events_out: f64,
    /// HTTP requests.
    pub(super) requests: f64,
}

/// The latest samples.
#[derive(Debug, Default)]
pub(super) struct Rates(VecDeque<(Instant, Counts)>);

impl Rates {
    /// Adds a sample.
    pub(super) fn sample(&mut self, now: Instant, counts: Counts) {
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back((now, counts));
    }

    /// Between the first and the last sample that are kept; nothing before there are two.
    #[must_use]
    pub(super) fn get(&self) -> PerSecond {
        let (Some((began, first)), Some((ended, last))) = (self.0.front(), self.0.back()) else {
            return PerSecond::default();
        };
        let seconds = ended.saturating_duration_since(*began).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "of some seconds")]
        let rate = |first: u64, last: u64| {
            if seconds <= 0.0 {
                return 0.0;
            }
            (last.saturating_sub(first) as f64 / seconds * 100.0).round() / 100.0
        };
        PerSecond {
            events_in: rate(first.events_in, last.events_in),
            events_out: rate(first.events_out, last.events_out),
            requests: rate(first.requests, last.requests),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_rate_is_the_mean_of_the_last_ten_seconds() {
        let (mut rates, began) = (Rates::default(), Instant::now());
        assert_eq!(rates.get(), PerSecond::default());
        for second in 0..100_u64 {
            let events_in = if second < 50 { 0 } else { (second - 50) * 7 };
            let counts = Counts {
                events_in,
                events_out: second * 3,
                requests: 5,
            };
            rates.sample(began + Duration::from_secs(second), counts);
        }
        let expected = PerSecond {
            events_in: 7.0,
            events_out: 3.0,
            requests: 0.0,
        };
        assert_eq!(rates.get(), expected);
    }
}
