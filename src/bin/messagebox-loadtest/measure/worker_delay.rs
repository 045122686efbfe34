//! Lateness of the server's workers, from its metrics.

use messagebox::client::{ClientError, Connector};
use serde::Serialize;

/// The two families of metrics: the lateness of workers, and their CPU time during it.
const LATE: &str = "worker_delay";
const BUSY: &str = "worker_busy";

/// Both families at one time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Delays {
    late: Times,
    busy: Times,
}

#[derive(Debug, Clone, PartialEq)]
struct Times {
    /// The bound of each bucket in seconds, and the number of values up to it.
    buckets: Vec<(f64, u64)>,
    /// The longest since the server started, in seconds.
    longest: f64,
}

/// Both families over a period.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct WorkerDelay {
    pub(crate) late: Spread,
    pub(crate) busy: Spread,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[expect(clippy::struct_field_names, reason = "units, as in all results")]
pub(crate) struct Spread {
    /// 99.9th percentile in milliseconds: a bucket's bound, up to twice too high.
    pub(crate) p99_9_ms: f64,
    /// Maximum in milliseconds, with the same error.
    pub(crate) most_ms: f64,
    /// Exact maximum since the server started.
    pub(crate) longest_ms: f64,
}

/// Fetches the server's metrics.
pub(crate) async fn look(
    connector: &Connector,
    token: Option<&str>,
) -> Result<Delays, ClientError> {
    let reply = match token {
        Some(token) => {
            connector
                .request_unsigned("GET", "/metrics", Some(token))
                .await?
        }
        None => connector.get_unsigned("/metrics").await?,
    };
    let text = std::str::from_utf8(&reply.body).unwrap_or_default();
    Delays::read(text).ok_or(ClientError::Unexpected(
        "the metrics have no worker delays: set --admin-token, or make the metrics public",
    ))
}

impl Delays {
    fn read(text: &str) -> Option<Self> {
        Some(Self {
            late: Times::read(text, LATE)?,
            busy: Times::read(text, BUSY)?,
        })
    }

    /// The delays since an earlier time.
    pub(crate) fn since(&self, earlier: &Self) -> WorkerDelay {
        WorkerDelay {
            late: self.late.since(&earlier.late),
            busy: self.busy.since(&earlier.busy),
        }
    }
}

impl Times {
    fn read(text: &str, family: &str) -> Option<Self> {
        let bucket = format!("messagebox_{family}_seconds_bucket{{le=\"");
        let bucket = |line: &str| {
            let (bound, count) = line.strip_prefix(&bucket)?.split_once("\"} ")?;
            Some((bound.parse().ok()?, count.parse().ok()?))
        };
        let buckets: Vec<(f64, u64)> = text.lines().filter_map(bucket).collect();
        let longest = format!("messagebox_{family}_max_seconds ");
        let longest = text.lines().find_map(|line| line.strip_prefix(&longest));
        let longest = longest?.parse().ok()?;
        (!buckets.is_empty()).then_some(Self { buckets, longest })
    }

    /// The delays since an earlier time.
    fn since(&self, earlier: &Self) -> Spread {
        let pairs = self.buckets.iter().zip(&earlier.buckets);
        let buckets: Vec<(f64, u64)> = pairs
            .map(|((bound, now), (_, before))| (*bound, now.saturating_sub(*before)))
            .collect();
        let all = buckets.last().map_or(0, |(_, count)| *count);
        let within = |count: u64| {
            let found = buckets.iter().find(|(_, below)| *below >= count);
            found.map_or(self.longest, |(bound, _)| bound.min(self.longest)) * 1e3
        };
        Spread {
            p99_9_ms: within(all - all / 1_000),
            most_ms: within(all),
            longest_ms: self.longest * 1e3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(counts: [u64; 3], longest: &str) -> Delays {
        let [first, second, all] = counts;
        let family = |name: &str| {
            let bucket = format!("messagebox_{name}_seconds_bucket{{le=");
            format!(
                "# HELP x y\n{bucket}\"0.001\"}} {first}\n{bucket}\"0.008\"}} {second}\n{bucket}\"+Inf\"}} {all}\n\
                 messagebox_{name}_max_seconds {longest}\n"
            )
        };
        Delays::read(&(family(LATE) + &family(BUSY))).unwrap()
    }

    #[test]
    fn delays_are_those_between_two_times() {
        let before = metrics([10, 20, 30], "0.5");
        let after = metrics([3_010, 3_021, 3_031], "0.5");
        for found in [after.since(&before).late, after.since(&before).busy] {
            assert_eq!(
                (found.p99_9_ms, found.most_ms, found.longest_ms),
                (1.0, 8.0, 500.0)
            );
        }
        let most = after.since(&metrics([10, 20, 21], "0.1")).late.most_ms;
        assert!((most - 500.0).abs() < 1e-9, "{most}");
        assert_eq!(Delays::read("messagebox_sockets 3\n"), None);
    }
}
