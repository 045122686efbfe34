//! Log lines of the start and the stop of the server, as `key=value` for programs that read logs.

use std::fmt::Write as _;
use std::time::Duration;

/// A word and `key=value` pairs.
pub(crate) struct LogLine(String);

impl LogLine {
    pub(crate) fn new(word: &str) -> Self {
        Self(word.to_owned())
    }

    /// Adds a pair. A value with spaces, quotes or control characters is quoted.
    pub(crate) fn with(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        let value = value.to_string();
        let is_plain = !value.is_empty()
            && value
                .chars()
                .all(|c| !c.is_whitespace() && !c.is_control() && c != '"');
        // Writing to a string cannot fail.
        let _ = if is_plain {
            write!(self.0, " {key}={value}")
        } else {
            write!(self.0, " {key}={value:?}")
        };
        self
    }

    pub(crate) fn log(&self) {
        log::info!(target: "messagebox::server", "{}", self.0);
    }
}

/// How the server stopped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopped {
    /// The signal, `admin`, `handle` or `broken`.
    pub(crate) reason: &'static str,
    pub(crate) uptime: Duration,
    /// Messages stored since the start.
    pub(crate) stored: u64,
    /// Sockets closed during the shutdown.
    pub(crate) sockets_closed: usize,
    /// Whether all work in progress was finished in time.
    pub(crate) drained: bool,
    pub(crate) panics: u64,
}

impl Stopped {
    pub(crate) fn line(&self) -> LogLine {
        LogLine::new("stopped")
            .with("reason", self.reason)
            .with("uptime_seconds", self.uptime.as_secs())
            .with("messages_stored", self.stored)
            .with("sockets_closed", self.sockets_closed)
            .with("drained", self.drained)
            .with("panics", self.panics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_spaces_are_quoted() {
        let line = LogLine::new("started")
            .with("version", "1.2")
            .with("database", "sqlite:///a folder/x.db")
            .with("nothing", "");
        let expected = r#"started version=1.2 database="sqlite:///a folder/x.db" nothing="""#;
        assert_eq!(line.0, expected);
    }
}
