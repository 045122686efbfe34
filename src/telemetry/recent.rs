//! The last warnings and errors, for the dashboard.

use std::collections::VecDeque;

use log::{Level, Record};
use parking_lot::Mutex;
use serde::Serialize;

use super::json;

/// Lines to keep, and maximum characters of each.
const KEPT: usize = 50;
const MAX_CHARS: usize = 500;

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecentLine {
    /// ISO 8601 in UTC, to the millisecond.
    pub ts: String,
    /// Either `WARN` or `ERROR`.
    pub level: &'static str,
    pub target: String,
    /// The beginning of the message.
    pub message: String,
}

static LINES: Mutex<VecDeque<RecentLine>> = Mutex::new(VecDeque::new());

/// Keeps warnings and errors.
pub(super) fn keep(record: &Record<'_>) {
    if record.level() > Level::Warn {
        return;
    }
    let line = RecentLine {
        ts: json::now(),
        level: record.level().as_str(),
        target: record.target().to_owned(),
        message: record.args().to_string().chars().take(MAX_CHARS).collect(),
    };
    let mut lines = LINES.lock();
    if lines.len() >= KEPT {
        lines.pop_front();
    }
    lines.push_back(line);
}

/// The last warnings and errors, oldest first.
#[must_use]
pub fn recent() -> Vec<RecentLine> {
    let lines = LINES.lock();
    lines.iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_warnings_and_errors_are_kept() {
        let log = |level, text: String| {
            let mut record = Record::builder();
            keep(&record.level(level).args(format_args!("{text}")).build());
        };
        log(Level::Info, "not kept".to_owned());
        for n in 0..KEPT + 3 {
            log(Level::Warn, n.to_string());
        }
        log(Level::Error, "x".repeat(MAX_CHARS + 9));
        let lines = recent();
        assert_eq!((lines.len(), &*lines[0].message), (KEPT, "4"));
        let last = lines.last().unwrap();
        assert_eq!((last.level, last.message.len()), ("ERROR", MAX_CHARS));
    }
}
