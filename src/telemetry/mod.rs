//! Logging: `env_logger` behind the `log` facade, with a filter in front that can be changed, as text or JSON.

mod access;
mod json;
mod line_limit;
mod recent;
mod text;
mod trace;

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};

use env_filter::Filter;
use env_logger::{Logger, Target};
use log::{Level, LevelFilter, Log, Metadata, Record};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use access::{Access, AccessLog, access, set_access_log};
pub use line_limit::LineLimit;
pub use recent::{RecentLine, recent};
pub use trace::{TraceId, current, event, under, within};

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// A text is no filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a filter is a level, or module=level, or several of them with commas between")]
pub struct NoFilter;

/// What is logged now.
static FILTER: RwLock<Option<Arc<Filter>>> = RwLock::new(None);

/// Sets logging up, once. A second call changes nothing.
pub fn start(filter: &str, format: LogFormat) {
    let mut builder = env_logger::Builder::new();
    // The filter is in front.
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
        log::debug!("logging was set up already");
        return;
    }
    // The configuration was checked before; a part that cannot be read is left away.
    put(env_filter::Builder::new().parse(filter).build());
}

/// Sets what is logged from now on.
///
/// # Errors
/// [`NoFilter`]; then nothing changes.
pub fn set_filter(filter: &str) -> Result<(), NoFilter> {
    check_filter(filter)?;
    let mut builder = env_filter::Builder::new();
    put(builder.try_parse(filter).map_err(|_| NoFilter)?.build());
    Ok(())
}

/// The crate's name, which its modules begin with.
const OURS: &str = "messagebox";

/// Whose lines a filter lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterReach {
    /// This crate's, unless it says `off`.
    Ours,
    /// Only those of modules that this crate does not have.
    OthersOnly,
}

/// Reads a filter strictly.
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
    // A module is named by its first letters.
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
    *FILTER.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(filter));
}

fn filter() -> Option<Arc<Filter>> {
    FILTER
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

/// Modules of actix that log what clients do wrong, as errors of the server. What they say is counted and named elsewhere
/// (`http/connection_errors.rs`).
const OF_CLIENTS: [&str; 3] = [
    "actix_http::h1::dispatcher",
    "actix_http::h1::decoder",
    "actix_http::h1::chunked",
];

/// The same line, no louder than debug where strangers cause it.
fn judged<'a>(record: &'a Record<'_>) -> Record<'a> {
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

/// Lines of the current filter. What is below the most verbose level in it never comes here.
struct Filtered {
    format: LogFormat,
    lines: Logger,
}

impl Log for Filtered {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        filter().is_some_and(|filter| filter.enabled(metadata))
    }

    fn log(&self, record: &Record<'_>) {
        let record = &judged(record);
        if !filter().is_some_and(|filter| filter.matches(record)) {
            return;
        }
        recent::keep(record);
        if self.format == LogFormat::Json {
            return self.lines.log(record);
        }
        let said = record.args().to_string();
        let said = one_line(&said);
        let line = |args| {
            let mut copy = Record::builder();
            copy.metadata(record.metadata().clone())
                .module_path(record.module_path())
                .file(record.file())
                .line(record.line());
            self.lines.log(&copy.args(args).build());
        };
        match current() {
            Some(id) => line(format_args!("id={id} {said}")),
            None => line(format_args!("{said}")),
        }
    }

    fn flush(&self) {
        self.lines.flush();
    }
}

/// A text in which nothing ends a line, steers a terminal or turns its direction: whatever a stranger, a database or
/// another server wrote into it, it is one line of the log.
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
    fn what_steers_a_line_is_escaped_and_nothing_else() {
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
    fn what_strangers_cause_is_no_error() {
        for (target, level, expected) in [
            ("actix_http::h1::dispatcher", Level::Error, Level::Debug),
            ("actix_http::h1::dispatcher", Level::Trace, Level::Trace),
            ("actix_http::h1::decoder", Level::Warn, Level::Debug),
            ("actix_http::h1::service", Level::Error, Level::Error),
            ("actix_server::accept", Level::Error, Level::Error),
            ("messagebox::db", Level::Error, Level::Error),
        ] {
            let record = Record::builder().target(target).level(level).build();
            assert_eq!(judged(&record).level(), expected, "{target}");
        }
    }

    #[test]
    fn a_filter_is_read_strictly() {
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
        // Tests have no logger; this changes nothing for them.
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
