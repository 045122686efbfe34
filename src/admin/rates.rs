//! Rates per second from counts that only grow: the mean over the last few samples. Pure.

use std::collections::VecDeque;
use std::time::Instant;

/// Samples to keep: at one per second, the last 10 s.
const KEPT: usize = 11;

/// Counts at one time. Events out are replies and deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) events_in: u64,
    pub(super) events_out: u64,
    pub(super) requests: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct PerSecond {
    pub(super) events_in: f64,
    pub(super) events_out: f64,
    pub(super) requests: f64,
}

#[derive(Debug, Default)]
pub(super) struct Rates(VecDeque<(Instant, Counts)>);

impl Rates {
    pub(super) fn sample(&mut self, now: Instant, counts: Counts) {
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back((now, counts));
    }

    /// The rates between the oldest and the latest sample; 0 before there are two.
    #[must_use]
    pub(super) fn get(&self) -> PerSecond {
        let (Some((began, first)), Some((ended, last))) = (self.0.front(), self.0.back()) else {
            return PerSecond::default();
        };
        let seconds = ended.saturating_duration_since(*began).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "counts of some seconds")]
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
