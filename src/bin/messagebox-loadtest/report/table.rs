//! The results as a text table.

use std::fmt::Write as _;

use super::operation::OperationReport;
use super::{LoadReport, OptionsReport};
use crate::measure::accounting::DeliveryTally;
use crate::measure::figures::{decimals, mebibytes, micros, thousands, whole};

pub(crate) fn table(report: &LoadReport) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_table(report, &mut out);
    out
}

fn write_table(report: &LoadReport, out: &mut String) -> std::fmt::Result {
    writeln!(out, "{} on {}", report.scenario, report.server)?;
    writeln!(out, "{}", describe(&report.options))?;
    writeln!(out)?;
    writeln!(
        out,
        "{:<12} {:>11} {:>11} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "", "count", "per second", "p50", "p90", "p99", "p99.9", "max"
    )?;
    for operation in &report.operations {
        row(operation, out)?;
    }
    if report.connect.completed > 0 {
        row(&report.connect, out)?;
    }
    writeln!(out)?;
    if report.operations.is_empty() {
        writeln!(out, "No traffic: the sockets were only open.")?;
    } else {
        writeln!(out, "{}", basis(&report.options))?;
    }
    if report.accounting.expected > 0 {
        write_accounting(report.accounting, out)?;
    }
    if report.unsent > 0 {
        let unsent = thousands(report.unsent);
        writeln!(
            out,
            "{unsent} messages were not sent in time: the rate is too high for the server, or for this machine"
        )?;
    }
    if report.foreign > 0 {
        let foreign = thousands(report.foreign);
        writeln!(
            out,
            "{foreign} deliveries arrived at sockets outside of their room"
        )?;
    }
    writeln!(
        out,
        "errors {}; {} events verified",
        thousands(report.errors),
        thousands(report.verified)
    )?;
    for (kind, count) in &report.error_kinds {
        writeln!(out, "  {} × {kind}", thousands(*count))?;
    }
    write_processes(report, out)?;
    let verdict = if report.is_clean() { "PASS" } else { "FAIL" };
    writeln!(out, "{verdict}")
}

fn write_accounting(accounting: DeliveryTally, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "{} of {} arrived: lost {}, duplicated {}, out of order {}",
        thousands(accounting.received),
        thousands(accounting.expected),
        thousands(accounting.lost),
        thousands(accounting.duplicated),
        thousands(accounting.out_of_order),
    )
}

fn row(operation: &OperationReport, out: &mut String) -> std::fmt::Result {
    write!(
        out,
        "{:<12} {:>11} {:>11}",
        operation.name,
        thousands(operation.completed),
        if operation.per_second > 0.0 {
            thousands(whole(operation.per_second.round()))
        } else {
            String::new()
        },
    )?;
    if let Some(times) = &operation.times {
        for time in times.shown() {
            write!(out, " {:>9}", micros(time))?;
        }
    }
    writeln!(out)
}

fn write_processes(report: &LoadReport, out: &mut String) -> std::fmt::Result {
    if let Some(signature) = report.signature_us {
        writeln!(
            out,
            "a bare secp256k1 signature takes {signature:.1} µs on this machine"
        )?;
    }
    if let Some(delay) = &report.worker_delay {
        for (what, spread) in [("late", delay.late), ("busy", delay.busy)] {
            writeln!(
                out,
                "server workers under load: {what} p99.9 {} ms, max {} ms; max since start {} ms",
                decimals(spread.p99_9_ms),
                decimals(spread.most_ms),
                decimals(spread.longest_ms)
            )?;
        }
    }
    if let Some(server) = &report.server_process {
        let process = &server.process;
        if let Some(each) = server.cpu_us_per_operation {
            write!(out, "server CPU per {}: {each:.1} µs", server.unit)?;
            if let Some(signatures) = server.signatures_per_operation {
                write!(out, " = {signatures:.2} signatures")?;
            }
            writeln!(out)?;
        }
        writeln!(
            out,
            "server: {:.2} cores; memory {} before, {} connected, {} at the end, {} after it",
            process.cores,
            mebibytes(process.rss_start_bytes),
            mebibytes(process.rss_connected_bytes),
            mebibytes(process.rss_end_bytes),
            mebibytes(server.rss_last_bytes),
        )?;
        if let Some(each) = server.rss_bytes_per_socket {
            writeln!(out, "server memory per socket: {:.1} KiB", each / 1024.0)?;
        }
        writeln!(
            out,
            "server: {} threads, {} file descriptors before, {} at the end, {} after it",
            process.threads,
            process.file_descriptors_start,
            process.file_descriptors_end,
            server.file_descriptors_last
        )?;
    }
    if let Some(own) = &report.generator {
        writeln!(
            out,
            "load test: {:.2} cores, memory {}",
            own.cores,
            mebibytes(own.rss_end_bytes)
        )?;
    }
    Ok(())
}

/// The options in one line.
pub(super) fn describe(options: &OptionsReport) -> String {
    let mut text = format!("{} × {}", thousands(options.sockets), options.transport);
    if let Some(rooms) = options.rooms {
        let _ = write!(text, " in {} rooms", thousands(rooms));
    }
    if let Some(rate) = options.rate {
        let _ = write!(text, ", {rate} per second");
    }
    if let Some(window) = options.in_flight {
        let _ = write!(text, ", {window} in flight");
    }
    let _ = write!(
        text,
        ", bodies of {} bytes, {} s after {} s of warm-up",
        thousands(options.body_bytes),
        decimals(options.duration_seconds),
        decimals(options.warm_up_seconds)
    );
    text
}

/// From when latencies count.
pub(super) const fn basis(options: &OptionsReport) -> &'static str {
    if options.rate.is_some() {
        "Latencies count from when a message should have been sent: no coordinated omission."
    } else {
        "Latencies are those of a closed loop, from when a message was sent; messages that a slow answer delayed do not count (--rate)."
    }
}
