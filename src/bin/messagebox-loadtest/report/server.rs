//! Resources of the server's process, and of the load test.

use serde::Serialize;

use crate::drive::{Milestones, RunOutcome};
use crate::measure::figures::{float, per};
use crate::measure::server_process::Usage;
use crate::run::Run;

/// What the costs are divided by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Costs {
    /// The name of an operation.
    pub(crate) unit: &'static str,
    /// Operations in the measured window.
    pub(crate) operations: u64,
    /// Sockets opened before the measured window, and open during it.
    pub(crate) sockets: u64,
    pub(crate) signature_us: Option<f64>,
}

/// A process in the measured window.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct ProcessReport {
    /// CPU time per time: 1 is one core.
    pub(crate) cores: f64,
    pub(crate) cpu_seconds: f64,
    /// Before the first socket.
    pub(crate) rss_start_bytes: u64,
    /// When all were open.
    pub(crate) rss_connected_bytes: u64,
    /// At the end of the window.
    pub(crate) rss_end_bytes: u64,
    pub(crate) threads: u64,
    pub(crate) file_descriptors_start: u64,
    pub(crate) file_descriptors_end: u64,
}

impl ProcessReport {
    pub(crate) fn new(marks: &Milestones<Option<Usage>>) -> Option<Self> {
        let (start, connected, from, to) = (marks.start?, marks.connected?, marks.from?, marks.to?);
        let cpu_seconds = float(to.cpu.saturating_sub(from.cpu)) / 1e9;
        let seconds = float(to.at.saturating_sub(from.at)) / 1e9;
        Some(Self {
            cores: per(cpu_seconds, seconds),
            cpu_seconds,
            rss_start_bytes: start.rss,
            rss_connected_bytes: connected.rss,
            rss_end_bytes: to.rss,
            threads: to.threads,
            file_descriptors_start: start.descriptors,
            file_descriptors_end: to.descriptors,
        })
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct ServerReport {
    #[serde(flatten)]
    pub(crate) process: ProcessReport,
    /// The name of an operation in the figures below.
    pub(crate) unit: &'static str,
    /// CPU time of the server per operation of the measured window.
    pub(crate) cpu_us_per_operation: Option<f64>,
    /// CPU time per operation in bare secp256k1 signatures.
    pub(crate) signatures_per_operation: Option<f64>,
    /// Memory added by connecting, per socket.
    pub(crate) rss_bytes_per_socket: Option<f64>,
    /// Memory at the end of the drain.
    pub(crate) rss_last_bytes: u64,
    pub(crate) file_descriptors_last: u64,
    pub(crate) looks: Vec<Usage>,
    /// Start of the traffic, on the clock of the samples.
    pub(crate) began_ns: u64,
}

impl ServerReport {
    pub(crate) fn new(run: &Run, outcome: &RunOutcome, costs: Costs) -> Option<Self> {
        let process = ProcessReport::new(&outcome.marks)?;
        let last = outcome.server.last()?;
        let added = float(process.rss_connected_bytes) - float(process.rss_start_bytes);
        let cpu_us = process.cpu_seconds * 1e6;
        let each = (costs.operations > 0).then(|| cpu_us / float(costs.operations));
        let in_signatures = |each: f64| Some(each / costs.signature_us?);
        Some(Self {
            process,
            unit: costs.unit,
            cpu_us_per_operation: each,
            signatures_per_operation: each.and_then(in_signatures),
            rss_bytes_per_socket: (costs.sockets > 0).then(|| added / float(costs.sockets)),
            rss_last_bytes: last.rss,
            file_descriptors_last: last.descriptors,
            looks: outcome.server.clone(),
            began_ns: run.clock.began(),
        })
    }

    /// Cores in use between two samples, by seconds of the traffic; negative while connecting.
    pub(crate) fn cores(&self) -> Vec<(f64, f64)> {
        let pairs = self.looks.iter().zip(self.looks.iter().skip(1));
        pairs
            .filter(|(one, next)| next.at > one.at + 50_000_000)
            .map(|(one, next)| {
                let used = float(next.cpu.saturating_sub(one.cpu));
                (self.seconds(next), used / float(next.at - one.at))
            })
            .collect()
    }

    /// Memory in mebibytes, by seconds of the traffic.
    pub(crate) fn memory(&self) -> Vec<(f64, f64)> {
        let point = |sample: &Usage| (self.seconds(sample), float(sample.rss) / 1_048_576.0);
        self.looks.iter().map(point).collect()
    }

    fn seconds(&self, sample: &Usage) -> f64 {
        (float(sample.at) - float(self.began_ns)) / 1e9
    }
}
