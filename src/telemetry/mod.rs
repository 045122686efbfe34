//! Logging: `env_logger` behind the `log` facade, as text or JSON, with a filter that can change at run time.
#![expect(missing_docs, reason = "names that say it all have no comment")]

mod access;
mod json;
mod line_limit;
mod recent;
mod text;
mod trace;

use std::borrow::Cow;
use std::sync::Arc;

use env_filter::Filter;
use env_logger::{Logger, Target};
use log::{Level, LevelFilter, Log, Metadata, Record};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use access::{AccessLine, AccessLog, access, set_access_log};
pub use line_limit::LineLimit;
pub use recent::{RecentLine, recent};
pub use trace::{TraceId, current, event, under, within};

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    /// One object per line.
    Json,
}

/// The text is not a log filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected a level, or module=level, or several of them separated by commas")]
pub struct NoFilter;

static FILTER: RwLock<Option<Arc<Filter>>> = RwLock::new(None);

/// Sets up logging. A second call changes nothing.
pub fn start(filter: &str, format: LogFormat) {
    let mut builder = env_logger::Builder::new();
    // Our own filter comes first.
    builder
        .filter_level(LevelFilter::Trace)
        .target(Target::Stderr);
    match format {
        LogFormat::Text => builder
            .parse_write_style(&std::env::var("RUST_LOG_STYLE").unwrap_or_default())
            .format(text::write),
        LogFormat::Json => builder.format(json::write),
    };
    let own = Filtered {
        format,
        lines: builder.build(),
    };
    if log::set_boxed_logger(Box::new(own)).is_err() {
        log::debug!("logging is already set up");
        return;
    }
    // The configuration is already checked; an invalid part is ignored.
    put(env_filter::Builder::new().parse(filter).build());
}

/// Replaces the filter of log lines.
///
/// # Errors
/// [`NoFilter`]; then the filter is unchanged.
pub fn set_filter(filter: &str) -> Result<(), NoFilter> {
    check_filter(filter)?;
    let mut builder = env_filter::Builder::new();
    put(builder.try_parse(filter).map_err(|_| NoFilter)?.build());
    Ok(())
}

/// The name of the crate, with which its modules begin.
const OURS: &str = "messagebox";

/// Whose lines pass a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterReach {
    /// Those of this crate, unless the filter is `off`.
    Ours,
    /// Only those of other crates.
    OthersOnly,
}

/// Checks every part of a filter.
///
/// # Errors
/// [`NoFilter`].
pub fn check_filter(filter: &str) -> Result<FilterReach, NoFilter> {
    let is_level = |text: &str| text.trim().parse::<LevelFilter>().is_ok();
    let is_directive = |text: &str| match text.split_once('=') {
        Some((module, level)) => is_module(module.trim()) && is_level(level),
        None => is_level(text),
    };
    if !filter.split(',').all(is_directive) {
        return Err(NoFilter);
    }
    let module = |text: &str| {
        text.split_once('=')
            .map(|(module, _)| module.trim().to_owned())
    };
    // A filter names modules by a prefix.
    let is_ours = |module: Option<String>| {
        module.is_none_or(|module| module.starts_with(OURS) || OURS.starts_with(&module))
    };
    Ok(if filter.split(',').map(module).any(is_ours) {
        FilterReach::Ours
    } else {
        FilterReach::OthersOnly
    })
}

fn is_module(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-');
    !text.is_empty() && text.chars().all(is_part)
}

fn put(filter: Filter) {
    log::set_max_level(filter.filter());
    *FILTER.write() = Some(Arc::new(filter));
}

fn filter() -> Option<Arc<Filter>> {
    FILTER.read().clone()
}

/// Modules of actix that log mistakes of clients as errors. The server counts these elsewhere
/// (`http/connection_errors.rs`).
const OF_CLIENTS: [&str; 3] = [
    "actix_http::h1::dispatcher",
    "actix_http::h1::decoder",
    "actix_http::h1::chunked",
];

/// The record, at debug level if a client caused it.
fn leveled<'a>(record: &'a Record<'_>) -> Record<'a> {
    let level = if OF_CLIENTS.contains(&record.target()) {
        record.level().max(Level::Debug)
    } else {
        record.level()
    };
    Record::builder()
        .args(*record.args())
        .level(level)
        .target(record.target())
        .module_path(record.module_path())
        .file(record.file())
        .line(record.line())
        .build()
}

/// Logs the lines that pass the current filter. The `log` facade drops lines below its most verbose level before.
struct Filtered {
    format: LogFormat,
    lines: Logger,
}

impl Log for Filtered {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        filter().is_some_and(|filter| filter.enabled(metadata))
    }

    fn log(&self, record: &Record<'_>) {
        let record = &leveled(record);
        if !filter().is_some_and(|filter| filter.matches(record)) {
            return;
        }
        recent::keep(record);
        if self.format == LogFormat::Json {
            return self.lines.log(record);
        }
        let message = record.args().to_string();
        let message = one_line(&message);
        let line = |args| {
            let mut copy = Record::builder();
            copy.metadata(record.metadata().clone())
                .module_path(record.module_path())
                .file(record.file())
                .line(record.line());
            self.lines.log(&copy.args(args).build());
        };
        match current() {
            Some(id) => line(format_args!("id={id} {message}")),
            None => line(format_args!("{message}")),
        }
    }

    fn flush(&self) {
        self.lines.flush();
    }
}

/// Escapes control characters, line ends and bidirectional marks. A client, a database or another server may have written
/// the text, and it must stay one line of the log.
fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if steers(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

fn steers(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_control_characters_are_escaped() {
        let cases = [
            ("", ""),
            ("plain \"text\" \\n {} é 😀", "plain \"text\" \\n {} é 😀"),
            ("a\n[b", "a\\n[b"),
            ("a\r\n\tb\0", "a\\r\\n\\tb\\u{0}"),
            ("\u{1b}[2J\u{85}", "\\u{1b}[2J\\u{85}"),
            ("\u{202e}\u{2028}\u{2066}", "\\u{202e}\\u{2028}\\u{2066}"),
        ];
        for (text, line) in cases {
            assert_eq!(one_line(text), line);
        }
    }

    #[test]
    fn mistakes_of_clients_are_no_errors() {
        for (target, level, expected) in [
            ("actix_http::h1::dispatcher", Level::Error, Level::Debug),
            ("actix_http::h1::dispatcher", Level::Trace, Level::Trace),
            ("actix_http::h1::decoder", Level::Warn, Level::Debug),
            ("actix_http::h1::service", Level::Error, Level::Error),
            ("actix_server::accept", Level::Error, Level::Error),
            ("messagebox::db", Level::Error, Level::Error),
        ] {
            let record = Record::builder().target(target).level(level).build();
            assert_eq!(leveled(&record).level(), expected, "{target}");
        }
    }

    #[test]
    fn every_part_of_a_filter_is_checked() {
        for wrong in [
            "",
            "loud",
            "messagebox=loud",
            "=info",
            "info,",
            "info/x",
            "a b=info",
            "info,x",
        ] {
            assert_eq!(set_filter(wrong), Err(NoFilter), "{wrong:?}");
        }
        // Tests have no logger, so the filter has no effect.
        assert_eq!(set_filter("warn, messagebox::db=debug"), Ok(()));
        assert_eq!(log::max_level(), LevelFilter::Debug);
        for (filter, reach) in [
            ("off", FilterReach::Ours),
            ("hyper=info,warn", FilterReach::Ours),
            ("messagebox::db=debug", FilterReach::Ours),
            ("messagbox=debug,tower_http=info", FilterReach::OthersOnly),
        ] {
            assert_eq!(check_filter(filter), Ok(reach), "{filter}");
        }
        assert_eq!(set_filter("off"), Ok(()));
        assert_eq!(log::max_level(), LevelFilter::Off);
    }
}
