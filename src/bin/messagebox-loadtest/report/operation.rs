//! The results of one operation.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::measure::clock::Clock;
use crate::measure::figures::{float, per};
use crate::measure::recorder::TimedOperation;

/// Points of the percentile curve: each halves the rest, down to one in a million.
const CURVE_POINTS: i32 = 20;

#[derive(Debug, Serialize)]
pub(crate) struct OperationReport {
    pub(crate) name: &'static str,
    /// Operations in the measured window.
    pub(crate) completed: u64,
    pub(crate) per_second: f64,
    /// `None` if nothing was timed.
    pub(crate) times: Option<Times>,
    /// Operations in each second of the traffic, warm-up included.
    pub(crate) series: Vec<u64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Times {
    pub(crate) count: u64,
    pub(crate) min_us: u64,
    pub(crate) mean_us: f64,
    pub(crate) p50_us: u64,
    pub(crate) p90_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) p99_9_us: u64,
    pub(crate) max_us: u64,
    pub(crate) curve: Vec<Point>,
}

/// A point of the percentile curve.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Point {
    /// Share of operations up to this time, from 0 to 1.
    pub(crate) quantile: f64,
    pub(crate) us: u64,
}

impl Times {
    /// The columns of the table.
    pub(crate) const fn shown(&self) -> [u64; 5] {
        [
            self.p50_us,
            self.p90_us,
            self.p99_us,
            self.p99_9_us,
            self.max_us,
        ]
    }

    fn new(histogram: &Histogram<u64>) -> Option<Self> {
        if histogram.is_empty() {
            return None;
        }
        let curve = (0..CURVE_POINTS)
            .map(|halvings| 1.0 - 0.5_f64.powi(halvings))
            // After the last operation there are no points.
            .filter(|quantile| (1.0 - quantile) * float(histogram.len()) >= 0.5)
            .map(|quantile| Point {
                quantile,
                us: histogram.value_at_quantile(quantile),
            });
        Some(Self {
            count: histogram.len(),
            min_us: histogram.min(),
            mean_us: histogram.mean(),
            p50_us: histogram.value_at_quantile(0.5),
            p90_us: histogram.value_at_quantile(0.9),
            p99_us: histogram.value_at_quantile(0.99),
            p99_9_us: histogram.value_at_quantile(0.999),
            max_us: histogram.max(),
            curve: curve.collect(),
        })
    }
}

impl OperationReport {
    /// With a clock, the result has the series over time.
    pub(crate) fn new(operation: &TimedOperation, seconds: f64, clock: Option<&Clock>) -> Self {
        let last = clock.and_then(|clock| clock.second(clock.measured_to()));
        let series = last.map_or_else(Vec::new, |last| {
            (0..last)
                .map(|second| operation.in_second(second))
                .collect()
        });
        Self {
            name: operation.name(),
            completed: operation.completed(),
            per_second: per(float(operation.completed()), seconds),
            times: operation.times().as_ref().and_then(Times::new),
            series,
        }
    }
}
