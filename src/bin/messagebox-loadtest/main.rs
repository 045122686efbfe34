//! `messagebox-loadtest`: puts load on any server of the protocol, and reports latencies, losses and costs.

mod drive;
mod measure;
mod options;
mod report;
mod run;
mod scenario;
mod traffic;
mod workload;

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, FromArgMatches as _, Subcommand as _};

use messagebox::client::TransportKind;
use messagebox::documents::Document;
use options::LoadOptions;
use report::LoadReport;
use run::Run;

/// Messages were lost, duplicated or out of order, or an operation failed.
const EXIT_FAULTS: u8 = 1;
/// File descriptors beside those of the sockets.
const SPARE_DESCRIPTORS: u64 = 256;

fn main() -> ExitCode {
    // A usage mistake exits with code 2.
    let program = Document::augment_subcommands(LoadOptions::command());
    let matches = program.clone().get_matches();
    if let Ok(document) = Document::from_arg_matches(&matches) {
        return print(&document, program);
    }
    let options = LoadOptions::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let threads = options
        .threads
        .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
        .unwrap_or(1);
    // A poll and a post may be in flight at the same time.
    let connections = match options.transport {
        TransportKind::Websocket => 1,
        TransportKind::Polling => 2,
    };
    let sockets = measure::figures::count(options.sockets());
    let wanted = sockets.saturating_mul(connections) + SPARE_DESCRIPTORS;
    match rlimit::increase_nofile_limit(wanted) {
        Ok(limit) if limit < wanted => say(&format!(
            "at most {limit} files can be open; raise `ulimit -n` to {wanted}"
        )),
        Ok(_) => {}
        Err(error) => say(&format!("cannot raise the limit of open files: {error}")),
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let run = Arc::new(Run::new(
        options.clone(),
        &scenario::operations(&options.scenario),
    ));
    let outcome = match runtime.block_on(drive::drive(&run)) {
        Ok(outcome) => outcome,
        Err(error) => {
            for (kind, count) in run.errors.kinds() {
                say(&format!("{count} × {kind}"));
            }
            return fail(&error);
        }
    };
    // Closing ten thousand sockets one by one would take long.
    runtime.shutdown_background();
    let report = LoadReport::new(&run, &outcome);
    match write(&report, &options) {
        Ok(()) if report.is_clean() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(EXIT_FAULTS),
        Err(error) => fail(&error),
    }
}

fn write(report: &LoadReport, options: &LoadOptions) -> std::io::Result<()> {
    std::io::stdout().write_all(report::table(report).as_bytes())?;
    if let Some(path) = &options.json {
        let mut json = serde_json::to_string_pretty(report)?;
        json.push('\n');
        std::fs::write(path, json)?;
    }
    if let Some(path) = &options.html {
        std::fs::write(path, report::html(report))?;
    }
    Ok(())
}

fn print(document: &Document, program: clap::Command) -> ExitCode {
    let text = match document.render(program) {
        Ok(text) => text,
        Err(error) => return fail(&error),
    };
    match std::io::stdout().write_all(&text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn say(text: &str) {
    // There is no other place to report to if standard error is closed.
    let _ = writeln!(std::io::stderr(), "messagebox-loadtest: {text}");
}

fn fail(error: &dyn Display) -> ExitCode {
    say(&error.to_string());
    ExitCode::from(EXIT_FAULTS)
}
