//! The results of a run, for JSON, a table and HTML.

mod html;
mod operation;
mod plot;
mod server;
mod table;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;

use super::drive::RunOutcome;
use super::options::{LoadOptions, Scenario, SendPace};
use super::run::Run;
use crate::measure::accounting::DeliveryTally;
use crate::measure::figures::{count, float};
use crate::measure::worker_delay::WorkerDelay;
use operation::OperationReport;
use server::{ProcessReport, ServerReport};

pub(crate) use html::html;
pub(crate) use table::table;

/// The results of a run. The field names are those of the JSON, which other programs read.
#[derive(Debug, Serialize)]
pub(crate) struct LoadReport {
    pub(crate) tool: &'static str,
    pub(crate) version: &'static str,
    pub(crate) scenario: &'static str,
    pub(crate) server: String,
    /// ISO 8601, to the second.
    pub(crate) finished_at: String,
    pub(crate) options: OptionsReport,
    /// The most important one is first.
    pub(crate) operations: Vec<OperationReport>,
    pub(crate) connect: OperationReport,
    pub(crate) accounting: DeliveryTally,
    /// Scheduled messages that were not sent: the sender, or the server's backpressure, was too slow.
    pub(crate) unsent: u64,
    /// Deliveries of rooms whose member the receiver is not.
    pub(crate) foreign: u64,
    /// Events with a verified signature.
    pub(crate) verified: u64,
    pub(crate) errors: u64,
    pub(crate) error_kinds: BTreeMap<String, u64>,
    /// CPU time of a bare secp256k1 signature on this machine, in microseconds.
    pub(crate) signature_us: Option<f64>,
    /// Lateness of the server's workers under load, if measured.
    pub(crate) worker_delay: Option<WorkerDelay>,
    pub(crate) server_process: Option<ServerReport>,
    pub(crate) generator: Option<ProcessReport>,
}

/// The options of the run.
#[derive(Debug, Serialize)]
pub(crate) struct OptionsReport {
    pub(crate) transport: &'static str,
    pub(crate) sockets: u64,
    /// Number of rooms, in the scenario `rooms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rooms: Option<u64>,
    /// Messages per second, with a schedule.
    pub(crate) rate: Option<f64>,
    /// Messages per source, without a schedule.
    pub(crate) in_flight: Option<u64>,
    pub(crate) body_bytes: u64,
    pub(crate) warm_up_seconds: f64,
    pub(crate) duration_seconds: f64,
    pub(crate) verify_share: f64,
}

impl OptionsReport {
    fn new(run: &Run) -> Self {
        let options: &LoadOptions = &run.options;
        let (rate, in_flight) = match (&options.scenario, options.pace()) {
            (Scenario::Idle, _) => (None, None),
            (_, SendPace::Rate(rate)) => (Some(rate), None),
            (_, SendPace::InFlight(window)) => (None, Some(count(window))),
        };
        let rooms = match &options.scenario {
            Scenario::Rooms(rooms) => Some(count(rooms.rooms.min(options.sockets()))),
            _ => None,
        };
        Self {
            transport: match options.scenario {
                Scenario::Http(_) | Scenario::Worst(_) => "http",
                _ => run.connector.transport.name(),
            },
            sockets: count(options.sockets()),
            rooms,
            rate,
            in_flight,
            body_bytes: count(options.body),
            warm_up_seconds: run.clock.warm_up_seconds(),
            duration_seconds: run.clock.seconds(),
            verify_share: options.verify,
        }
    }
}

impl LoadReport {
    pub(crate) fn new(run: &Run, outcome: &RunOutcome) -> Self {
        let seconds = run.clock.seconds();
        let operations: Vec<OperationReport> = run
            .operations
            .iter()
            .map(|operation| OperationReport::new(operation, seconds, Some(&run.clock)))
            // An unused part of a mix would be a row of zeros.
            .filter(|operation| operation.completed > 0 || operation.times.is_some())
            .collect();
        let micros = |signature| float(count_nanos(signature)) / 1_000.0;
        let signature_us = outcome.signature.map(micros);
        // In a mix, all operations count; elsewhere, only that of the scenario.
        let counted: u64 = match run.options.scenario {
            Scenario::Soak | Scenario::Http(_) => {
                operations.iter().map(|operation| operation.completed).sum()
            }
            _ => operations
                .first()
                .map_or(0, |operation| operation.completed),
        };
        let unit = match run.options.scenario {
            Scenario::Soak | Scenario::Http(_) => "operation",
            _ => run.operations.first().map_or("operation", |it| it.name()),
        };
        let sockets = match run.options.scenario {
            Scenario::Http(_) | Scenario::Worst(_) | Scenario::Handshake => 0,
            _ => run.connect.completed(),
        };
        let costs = server::Costs {
            unit,
            operations: counted,
            sockets,
            signature_us,
        };
        Self {
            tool: "messagebox-loadtest",
            version: env!("CARGO_PKG_VERSION"),
            scenario: run.options.scenario.name(),
            server: run.options.server.to_string(),
            finished_at: humantime::format_rfc3339_seconds(std::time::SystemTime::now())
                .to_string(),
            options: OptionsReport::new(run),
            operations,
            connect: OperationReport::new(&run.connect, 0.0, None),
            accounting: outcome.tally,
            unsent: run.unsent.load(Ordering::Relaxed),
            foreign: run.foreign.load(Ordering::Relaxed),
            verified: run.verified.load(Ordering::Relaxed),
            errors: run.errors.count(),
            error_kinds: run.errors.kinds(),
            signature_us,
            worker_delay: run.worker_delay.get().copied(),
            server_process: ServerReport::new(run, outcome, costs),
            generator: ProcessReport::new(&outcome.own),
        }
    }

    /// Whether nothing was lost, duplicated, out of order, or failed.
    pub(crate) const fn is_clean(&self) -> bool {
        self.accounting.is_clean() && self.errors == 0
    }
}

fn count_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
