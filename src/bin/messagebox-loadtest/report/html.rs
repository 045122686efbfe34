//! The results as one self-contained HTML file.

use std::fmt::Write as _;

use super::LoadReport;
use super::operation::OperationReport;
use super::plot::{Plot, PlotLine, show_count};
use super::table::{basis, describe};
use crate::measure::figures::{decimals, float, mebibytes, micros, thousands, whole};

const STYLE: &str = include_str!("style.css");

pub(crate) fn html(report: &LoadReport) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_html(report, &mut out);
    out
}

fn write_html(report: &LoadReport, out: &mut String) -> std::fmt::Result {
    let verdict = if report.is_clean() { "pass" } else { "fail" };
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{} — messagebox-loadtest</title>\n<style>\n{STYLE}</style></head><body>",
        report.scenario
    )?;
    writeln!(
        out,
        "<h1>{} <span class=\"{verdict}\">{verdict}</span></h1>\n<p>{} — {}<br>{} {}, {}</p>",
        report.scenario,
        escape(&report.server),
        describe(&report.options),
        report.tool,
        report.version,
        report.finished_at
    )?;
    write_tiles(report, out)?;
    write_operations(report, out)?;
    writeln!(out, "<div class=\"plots\">")?;
    for plot in plots(report) {
        out.push_str(&plot.svg());
    }
    writeln!(out, "</div>")?;
    if !report.error_kinds.is_empty() {
        writeln!(out, "<h2>Errors</h2><ul>")?;
        for (kind, count) in &report.error_kinds {
            writeln!(out, "<li>{} × {}</li>", thousands(*count), escape(kind))?;
        }
        writeln!(out, "</ul>")?;
    }
    writeln!(out, "</body></html>")
}

fn write_tiles(report: &LoadReport, out: &mut String) -> std::fmt::Result {
    let accounting = report.accounting;
    let mut tiles = vec![
        ("lost", thousands(accounting.lost)),
        ("duplicated", thousands(accounting.duplicated)),
        ("out of order", thousands(accounting.out_of_order)),
        ("errors", thousands(report.errors)),
    ];
    if report.unsent > 0 {
        tiles.push(("not sent in time", thousands(report.unsent)));
    }
    if let Some(server) = &report.server_process {
        if let Some(each) = server.cpu_us_per_operation {
            tiles.push(("server CPU per operation", format!("{each:.1} µs")));
        }
        if let Some(signatures) = server.signatures_per_operation {
            tiles.push(("in signatures", format!("{signatures:.2}")));
        }
        if let Some(each) = server.rss_bytes_per_socket {
            tiles.push((
                "server memory per socket",
                format!("{:.1} KiB", each / 1024.0),
            ));
        }
        tiles.push(("server memory", mebibytes(server.process.rss_end_bytes)));
        tiles.push(("server cores", format!("{:.2}", server.process.cores)));
    }
    if let Some(own) = &report.generator {
        tiles.push(("load test cores", format!("{:.2}", own.cores)));
    }
    writeln!(out, "<dl>")?;
    for (name, value) in tiles {
        writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>")?;
    }
    writeln!(out, "</dl>")
}

fn write_operations(report: &LoadReport, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "<div class=\"scroll\"><table><tr><th></th><th>count</th><th>per second</th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th><th>max</th></tr>"
    )?;
    let happened = |operation: &&OperationReport| operation.completed > 0;
    let operations = report.operations.iter().chain([&report.connect]);
    for operation in operations.filter(happened) {
        write!(
            out,
            "<tr><th>{}</th><td>{}</td><td>{}</td>",
            operation.name,
            thousands(operation.completed),
            thousands(whole(operation.per_second.round()))
        )?;
        if let Some(times) = &operation.times {
            for time in times.shown() {
                write!(out, "<td>{}</td>", micros(time))?;
            }
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</table></div>")?;
    if !report.operations.is_empty() {
        writeln!(out, "<p class=\"note\">{}</p>", basis(&report.options))?;
    }
    Ok(())
}

fn plots(report: &LoadReport) -> Vec<Plot> {
    let mut plots = Vec::new();
    let mut curves: Vec<PlotLine> = report.operations.iter().filter_map(curve).collect();
    if curves.is_empty() {
        // Its long times would flatten the other curves.
        curves.extend(curve(&report.connect));
    }
    if !curves.is_empty() {
        let marks = [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999];
        let reached = curves
            .iter()
            .filter_map(|line| line.points.last())
            .map(|point| point.0);
        let last = reached.fold(0.0, f64::max);
        let marks = marks.map(|quantile| {
            (
                halvings(quantile),
                format!("{} %", decimals(quantile * 100.0)),
            )
        });
        plots.push(Plot {
            title: "Time by percentile",
            lines: curves,
            marks: marks.into_iter().filter(|(at, _)| *at <= last).collect(),
            horizontal: "share of operations up to this time",
            show: |value| format!("{} ms", decimals(value)),
        });
    }
    let series = |operation: &OperationReport| PlotLine {
        name: operation.name.to_owned(),
        points: (0_u32..)
            .zip(&operation.series)
            .map(|(second, count)| (f64::from(second), float(*count)))
            .collect(),
    };
    let throughput: Vec<PlotLine> = report.operations.iter().map(series).collect();
    if throughput.iter().any(|line| line.points.len() > 1) {
        plots.push(Plot::over_time(
            "Operations per second, warm-up included",
            throughput,
            show_count,
        ));
    }
    if let Some(server) = &report.server_process {
        let line = |points| {
            vec![PlotLine {
                name: String::from("server"),
                points,
            }]
        };
        plots.push(Plot::over_time(
            "Server CPU in cores (before 0: connecting)",
            line(server.cores()),
            decimals,
        ));
        plots.push(Plot::over_time(
            "Server memory in MiB",
            line(server.memory()),
            show_count,
        ));
    }
    plots
}

/// The percentile curve of an operation: each step to the right halves the rest.
fn curve(operation: &OperationReport) -> Option<PlotLine> {
    let times = operation.times.as_ref()?;
    let point =
        |point: &super::operation::Point| (halvings(point.quantile), float(point.us) / 1_000.0);
    Some(PlotLine {
        name: operation.name.to_owned(),
        points: times.curve.iter().map(point).collect(),
    })
}

/// How often the rest must be halved to reach this quantile.
fn halvings(quantile: f64) -> f64 {
    -(1.0 - quantile).log2()
}

/// Escapes text for HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
