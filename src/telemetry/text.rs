//! Log lines as text.

use std::io::{self, Write as _};
use std::time::SystemTime;

use env_logger::fmt::Formatter;
use log::Record;

/// Writes `[time level target] message`, with a colored level on a terminal.
pub(super) fn write(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let now = humantime::format_rfc3339_millis(SystemTime::now());
    let level = record.level();
    let style = out.default_level_style(level);
    let (target, message) = (record.target(), record.args());
    writeln!(out, "[{now} {style}{level:<5}{style:#} {target}] {message}")
}
