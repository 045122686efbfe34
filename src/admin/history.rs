//! The history of the last 24 hours: one point per minute, in less than 200 KB of memory.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

use crate::authsocket::EventCounts;
use crate::db::{DbMeasures, DbStatus};
use crate::metrics::{Distribution, RequestCounts};

use super::process::ProcessUsage;
use super::status::SocketsPart;

/// Time between two points.
pub(super) const INTERVAL: Duration = Duration::from_secs(60);

/// Points of 24 hours.
const KEPT: usize = 24 * 60;

const VALUES: usize = 23;

/// The names of the values, in their order. Rates are means over the minute, latencies are those of the minute, and gauges
/// are those of its end.
const NAMES: [&str; VALUES] = [
    "socketsAuthenticated",
    "socketsUnauthenticated",
    "eventsIn",
    "eventsOut",
    "requests",
    "deliveries",
    "stored",
    "ackP50",
    "ackP95",
    "ackP99",
    "requestP50",
    "requestP95",
    "requestP99",
    "commitP50",
    "commitP95",
    "commitP99",
    "queuedWrites",
    "queuedReads",
    "undelivered",
    "outboundBytes",
    "largestOutboundBytes",
    "residentBytes",
    "cpu",
];

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryReport {
    /// The word `success`, always.
    pub status: &'static str,
    /// Seconds between two points; the last one may be closer.
    pub interval_seconds: u64,
    /// Times of the points, in seconds since 1970.
    pub at: Vec<u64>,
    /// Values of the points by name: rates per second, latencies in microseconds, gauges in their own unit; null if
    /// unknown.
    pub series: BTreeMap<&'static str, Vec<Option<f32>>>,
}

/// The figures at one time.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    pub(super) at: Instant,
    pub(super) sockets: SocketsPart,
    pub(super) events: EventCounts,
    pub(super) requests: RequestCounts,
    pub(super) writes: DbStatus,
    pub(super) database: DbMeasures,
    pub(super) process: Option<ProcessUsage>,
    pub(super) deliveries: u64,
}

#[derive(Debug, Clone, Copy)]
struct Point {
    /// Time in seconds since 1970.
    at: u64,
    /// NaN for an unknown value.
    values: [f32; VALUES],
}

#[derive(Debug, Default)]
pub(super) struct History {
    points: VecDeque<Point>,
    last: Option<Figures>,
}

impl History {
    /// Whether the next point is due.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let last = self.last.as_ref();
        last.is_none_or(|last| now.saturating_duration_since(last.at) >= INTERVAL)
    }

    /// Adds the point between the last figures and these. `at` is in seconds since 1970.
    pub(super) fn add(&mut self, at: u64, now: Figures) {
        if let Some(last) = &self.last {
            if self.points.len() >= KEPT {
                self.points.pop_front();
            }
            self.points.push_back(Point::between(at, last, &now));
        }
        self.last = Some(now);
    }

    /// All points, and one for the current minute.
    pub(super) fn report(&self, at: u64, now: &Figures) -> HistoryReport {
        let is_earlier = |last: &&Figures| last.at < now.at;
        let latest = self.last.as_ref().filter(is_earlier);
        let latest = latest.map(|last| Point::between(at, last, now));
        let points = || self.points.iter().chain(&latest);
        let known = |value: f32| value.is_finite().then_some(value);
        let series = NAMES.iter().enumerate().map(|(index, name)| {
            let values = points().map(|point| point.values.get(index).copied().and_then(known));
            (*name, values.collect())
        });
        HistoryReport {
            status: "success",
            interval_seconds: INTERVAL.as_secs(),
            at: points().map(|point| point.at).collect(),
            series: series.collect(),
        }
    }
}

impl Point {
    fn between(at: u64, before: &Figures, now: &Figures) -> Self {
        let seconds = now.at.saturating_duration_since(before.at).as_secs_f32();
        let rate = |before: u64, now: u64| number(now.saturating_sub(before)) / seconds;
        let [ack_p50, ack_p95, ack_p99] = percentiles(
            &before.events.answer_time.get(),
            &now.events.answer_time.get(),
        );
        let [request_p50, request_p95, request_p99] =
            percentiles(&before.requests.time.get(), &now.requests.time.get());
        let [commit_p50, commit_p95, commit_p99] =
            percentiles(&before.database.commit_time, &now.database.commit_time);
        let cpu = match (&before.process, &now.process) {
            (Some(before), Some(now)) => {
                #[expect(clippy::cast_possible_truncation, reason = "for a plot")]
                let used = (now.cpu_seconds - before.cpu_seconds) as f32;
                used / seconds
            }
            _ => f32::NAN,
        };
        let resident = now.process.as_ref().map(|process| process.resident_bytes);
        let (sockets, database) = (&now.sockets, &now.database);
        let values = [
            number(sockets.proven),
            number(sockets.unproven),
            rate(before.events.events.total(), now.events.events.total()),
            rate(events_out(before), events_out(now)),
            rate(
                before.requests.answered.total(),
                now.requests.answered.total(),
            ),
            rate(before.deliveries, now.deliveries),
            rate(before.writes.stored, now.writes.stored),
            ack_p50,
            ack_p95,
            ack_p99,
            request_p50,
            request_p95,
            request_p99,
            commit_p50,
            commit_p95,
            commit_p99,
            number(now.writes.queued_writes),
            number(database.reads),
            number(database.undelivered),
            number(sockets.outbound_bytes),
            number(sockets.largest_outbound_bytes),
            resident.map_or(f32::NAN, number),
            cpu,
        ];
        Self {
            at,
            // Digits that no plot shows would be most of the answer.
            values: values.map(|value| (value * 100.0).round() / 100.0),
        }
    }
}

/// A plot needs at most the seven digits of this type.
#[expect(clippy::cast_precision_loss, reason = "for a plot")]
fn number<T: TryInto<u64>>(count: T) -> f32 {
    count.try_into().unwrap_or(u64::MAX) as f32
}

fn percentiles(before: &Distribution, now: &Distribution) -> [f32; 3] {
    let recent = now.since(before);
    if recent.count() == 0 {
        return [f32::NAN; 3];
    }
    [0.5, 0.95, 0.99].map(|part| number(recent.percentile(part)))
}

fn events_out(figures: &Figures) -> u64 {
    figures.events.answers.get() + figures.deliveries
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that works.
    #[derive(Default)]
    struct Work {
        events: EventCounts,
        requests: RequestCounts,
        count: u64,
    }

    impl Work {
        fn add(&mut self, count: u64) {
            for _ in 0..count {
                self.events.events.add_one("sendMessage");
                self.events.events.add_one("joinRoom");
                self.requests.answered.add_one(("/sendMessage", "2xx"));
            }
            self.events.answers.add(count);
            self.count += count;
        }

        fn figures(&self, at: Instant) -> Figures {
            Figures {
                at,
                sockets: SocketsPart {
                    proven: 3,
                    ..SocketsPart::default()
                },
                events: self.events.clone(),
                requests: self.requests.clone(),
                writes: DbStatus {
                    queued_writes: 7,
                    stored: self.count,
                    ..DbStatus::default()
                },
                database: DbMeasures::default(),
                process: None,
                deliveries: 2 * self.count,
            }
        }
    }

    #[test]
    fn a_day_is_kept_and_no_more() {
        let (mut history, began) = (History::default(), Instant::now());
        let mut work = Work::default();
        let minute = |n: u64| began + INTERVAL * u32::try_from(n).unwrap();
        let minutes = u64::try_from(KEPT).unwrap() + 10;
        for n in 0..=minutes {
            assert!(history.is_due(minute(n)));
            history.add(n, work.figures(minute(n)));
            assert!(!history.is_due(minute(n)));
            work.add(if n < minutes { 120 } else { 10 });
        }
        // The current minute has a point too.
        work.events.answer_time.record(1_000);
        let now = work.figures(minute(minutes) + Duration::from_secs(10));
        let report = history.report(minutes + 1, &now);
        assert_eq!(report.at.len(), KEPT + 1);
        assert_eq!((report.at[0], report.at[KEPT]), (11, minutes + 1));
        let of = |name: &str| &report.series[name];
        for (name, expected, latest) in [
            ("eventsIn", 4.0, 2.0),
            ("eventsOut", 6.0, 3.0),
            ("requests", 2.0, 1.0),
            ("deliveries", 4.0, 2.0),
            ("stored", 2.0, 1.0),
            ("socketsAuthenticated", 3.0, 3.0),
            ("queuedWrites", 7.0, 7.0),
        ] {
            assert_eq!(of(name)[5], Some(expected), "{name}");
            assert_eq!(of(name)[KEPT], Some(latest), "{name}");
        }
        assert_eq!((of("ackP99")[5], of("residentBytes")[5]), (None, None));
        assert!(of("ackP99")[KEPT] >= Some(1_000.0));
        assert_eq!(report.series.len(), VALUES);
        let text = serde_json::to_string(&report).unwrap();
        assert!(text.len() < 400_000, "{}", text.len());
        assert!(size_of::<Point>() * KEPT < 200_000);
    }
}
