//! Latency of round trips.

use std::time::Duration;

use serde::Serialize;

/// Percentiles of round trips, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Latency {
    count: usize,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

impl Latency {
    /// The percentiles; `None` without times.
    pub(super) fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let max = times.last()?;
        let milliseconds = |time: &Duration| (time.as_secs_f64() * 1e5).round() / 1e2;
        // The smallest time that this share, in percent, does not exceed.
        let percentile = |share: usize| {
            let rank = (times.len() * share).div_ceil(100);
            let time = times.get(rank.saturating_sub(1));
            milliseconds(time.unwrap_or(max))
        };
        Some(Self {
            count: times.len(),
            p50_ms: percentile(50),
            p90_ms: percentile(90),
            p99_ms: percentile(99),
            max_ms: milliseconds(max),
        })
    }

    pub(super) fn human(&self) -> String {
        format!(
            "{} round trips: p50 {} ms, p90 {} ms, p99 {} ms, max {} ms",
            self.count, self.p50_ms, self.p90_ms, self.p99_ms, self.max_ms
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_times() {
        assert_eq!(Latency::of(Vec::new()), None);
        let times = (1..=200).rev().map(Duration::from_millis).collect();
        let latency = Latency::of(times).unwrap();
        let expected = Latency {
            count: 200,
            p50_ms: 100.0,
            p90_ms: 180.0,
            p99_ms: 198.0,
            max_ms: 200.0,
        };
        assert_eq!(latency, expected);
        let one = Latency::of(vec![Duration::from_micros(1_234)]).unwrap();
        assert_eq!((one.p50_ms, one.max_ms), (1.23, 1.23));
    }
}
