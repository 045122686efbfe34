//! Shows the progress of a run on standard error.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::figures::{micros, thousands};
use crate::run::{Run, stopped};

/// Intervals on a terminal, and elsewhere, where each is a new line.
const ON_TERMINAL: Duration = Duration::from_millis(500);
const ELSEWHERE: Duration = Duration::from_secs(5);

/// Shows the progress until the run stops.
pub(crate) async fn show(run: Arc<Run>) {
    let mut stop = run.stopping();
    let is_terminal = std::io::stderr().is_terminal();
    let every = if is_terminal { ON_TERMINAL } else { ELSEWHERE };
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stopped(&mut stop) => break,
        }
        let line = describe(&run);
        let mut out = std::io::stderr().lock();
        // There is no other place to report to if standard error is closed.
        let _ = if is_terminal {
            write!(out, "\r\x1b[2K{line}").and_then(|()| out.flush())
        } else {
            writeln!(out, "{line}")
        };
    }
    if is_terminal {
        let _ = write!(std::io::stderr(), "\r\x1b[2K");
    }
}

fn describe(run: &Run) -> String {
    let now = run.clock.now();
    let connected = thousands(run.connected.load(Ordering::Relaxed));
    let errors = match run.errors.count() {
        0 => String::new(),
        count => format!(", {} errors", thousands(count)),
    };
    let Some(second) = run.clock.second(now) else {
        let wanted = thousands(run.wanted.load(Ordering::Relaxed));
        return format!("connecting: {connected} of {wanted}{errors}");
    };
    let phase = if now < run.clock.measured_from() {
        String::from("warming up")
    } else if now < run.clock.measured_to() {
        let since = Duration::from_nanos(now - run.clock.measured_from());
        format!("{} of {} s", since.as_secs(), run.clock.seconds())
    } else {
        format!("draining: {} outstanding", thousands(run.outstanding()))
    };
    let mut line = format!("{phase}: {connected} connected");
    for operation in &run.operations {
        // The current second is not over yet.
        let rate = operation.in_second(second.saturating_sub(1));
        // Writing to a string cannot fail.
        let _ = write!(line, ", {} {}/s", thousands(rate), operation.name());
    }
    let times = run
        .operations
        .first()
        .and_then(|operation| operation.times());
    if let Some(times) = times.filter(|times| !times.is_empty()) {
        let (p50, p99) = (times.value_at_quantile(0.5), times.value_at_quantile(0.99));
        let _ = write!(line, ", p50 {}, p99 {}", micros(p50), micros(p99));
    }
    line.push_str(&errors);
    line
}
