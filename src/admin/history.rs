//! How the server was in the last 24 hours: a point a minute, in less than 200 KB of memory.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

use super::status::{DatabasePart, EventsPart, HttpPart, Percentiles, ProcessPart, SocketsPart};

/// From one point to the next.
pub(super) const INTERVAL: Duration = Duration::from_secs(60);

/// Points that are kept.
const KEPT: usize = 24 * 60;

/// Values of a point.
const VALUES: usize = 23;

/// Their names, in their order. Rates are means over the minute, latencies are of what happened in it, and the rest is as it
/// was at its end.
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

/// The last 24 hours.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryReport {
    /// Always `success`.
    pub status: &'static str,
    /// Seconds from one point to the next; the last may be nearer.
    pub interval_seconds: u64,
    /// When the points are: seconds since 1970.
    pub at: Vec<u64>,
    /// Their values by name: rates in a second, latencies in microseconds, the rest in its own unit; null where nothing is
    /// known.
    pub series: BTreeMap<&'static str, Vec<Option<f32>>>,
}

/// What is counted and measured at one time.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    pub(super) at: Instant,
    pub(super) sockets: SocketsPart,
    pub(super) events: EventsPart,
    pub(super) http: HttpPart,
    pub(super) database: DatabasePart,
    pub(super) process: Option<ProcessPart>,
    pub(super) deliveries: u64,
}

#[derive(Debug, Clone, Copy)]
struct Point {
    /// Seconds since 1970.
    at: u64,
    /// NaN: not known.
    values: [f32; VALUES],
}

/// The points so far.
#[derive(Debug, Default)]
pub(super) struct History {
    points: VecDeque<Point>,
    last: Option<Figures>,
}

impl History {
    /// Whether it is time for [`Self::add`].
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let last = self.last.as_ref();
        last.is_none_or(|last| now.saturating_duration_since(last.at) >= INTERVAL)
    }

    /// Adds a point between the figures before and these. `at`: seconds since 1970.
    pub(super) fn add(&mut self, at: u64, now: Figures) {
        if let Some(last) = &self.last {
            if self.points.len() >= KEPT {
                self.points.pop_front();
            }
            self.points.push_back(Point::between(at, last, &now));
        }
        self.last = Some(now);
    }

    /// All points, and one for the minute that has not ended.
    pub(super) fn report(&self, at: u64, now: &Figures) -> HistoryReport {
        let is_some_time = |last: &&Figures| now.at > last.at;
        let latest = self.last.as_ref().filter(is_some_time);
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
        let [ack_p50, ack_p95, ack_p99] =
            percentiles(&before.events.answer_micros, &now.events.answer_micros);
        let [request_p50, request_p95, request_p99] =
            percentiles(&before.http.answer_micros, &now.http.answer_micros);
        let [commit_p50, commit_p95, commit_p99] =
            percentiles(&before.database.commit_micros, &now.database.commit_micros);
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
            rate(events_in(&before.events), events_in(&now.events)),
            rate(events_out(before), events_out(now)),
            rate(requests(&before.http), requests(&now.http)),
            rate(before.deliveries, now.deliveries),
            rate(before.database.stored, database.stored),
            ack_p50,
            ack_p95,
            ack_p99,
            request_p50,
            request_p95,
            request_p99,
            commit_p50,
            commit_p95,
            commit_p99,
            number(database.queued_writes),
            number(database.reads),
            number(database.undelivered),
            number(sockets.outbound_bytes),
            number(sockets.largest_outbound_bytes),
            resident.map_or(f32::NAN, number),
            cpu,
        ];
        Self {
            at,
            // Digits that no plot shows would make up most of the answer.
            values: values.map(|value| (value * 100.0).round() / 100.0),
        }
    }
}

/// With the seven digits that a plot needs at most.
#[expect(clippy::cast_precision_loss, reason = "for a plot")]
fn number<T: TryInto<u64>>(count: T) -> f32 {
    count.try_into().unwrap_or(u64::MAX) as f32
}

fn percentiles(before: &Percentiles, now: &Percentiles) -> [f32; 3] {
    let recent = now.since(before);
    if recent.count == 0 {
        return [f32::NAN; 3];
    }
    [recent.p50, recent.p95, recent.p99].map(number)
}

fn events_in(events: &EventsPart) -> u64 {
    events.received.values().sum()
}

fn events_out(figures: &Figures) -> u64 {
    figures.events.answers + figures.deliveries
}

fn requests(http: &HttpPart) -> u64 {
    let classes = http.requests.values().flat_map(BTreeMap::values);
    classes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::rooms::Responding;
    use crate::metrics::Histogram;

    fn figures(at: Instant, count: u64, answers: &Histogram) -> Figures {
        let micros = || Percentiles::from(answers.get());
        Figures {
            at,
            sockets: SocketsPart {
                proven: 3,
                ..SocketsPart::default()
            },
            events: EventsPart {
                received: BTreeMap::from([("sendMessage", count), ("joinRoom", count)]),
                answers: count,
                acks: 0,
                failures: BTreeMap::new(),
                refused_frames: 0,
                held_frames: 0,
                waiting_frames: 0,
                dropped_deliveries: 0,
                in_per_second: 0.0,
                out_per_second: 0.0,
                answer_micros: micros(),
            },
            http: HttpPart {
                requests: BTreeMap::from([("/sendMessage", BTreeMap::from([("2xx", count)]))]),
                failures: BTreeMap::new(),
                connection_errors: BTreeMap::new(),
                per_second: 0.0,
                answer_micros: micros(),
                worker_delay_micros: micros(),
                worker_busy_micros: micros(),
                oversized: 0,
            },
            database: DatabasePart {
                executor: Responding::Answers,
                queued_writes: 7,
                reads: 0,
                undelivered: 0,
                commits: 0,
                writes: 0,
                stored: count,
                failures: 0,
                group_size: micros(),
                commit_micros: micros(),
                read_micros: micros(),
                connections: 0,
                idle_connections: 0,
                size: None,
                stored_totals: None,
                disk: None,
            },
            process: None,
            deliveries: 2 * count,
        }
    }

    #[test]
    fn a_day_is_kept_and_no_more() {
        let (mut history, began) = (History::default(), Instant::now());
        let answers = Histogram::default();
        let minute = |n: u64| began + INTERVAL * u32::try_from(n).unwrap();
        let minutes = u64::try_from(KEPT).unwrap() + 10;
        for n in 0..=minutes {
            assert!(history.is_due(minute(n)));
            history.add(n, figures(minute(n), n * 120, &answers));
            assert!(!history.is_due(minute(n)));
        }
        // A minute that has not ended has a point too.
        answers.record(1_000);
        let later = minute(minutes) + Duration::from_secs(10);
        let now = figures(later, minutes * 120 + 10, &answers);
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
