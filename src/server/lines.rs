//! What the log says when the server starts and stops: one line each, `key=value`, for programs that read logs.

use std::fmt::Write as _;
use std::time::Duration;

/// A word and what belongs to it.
pub(super) struct Line(String);

impl Line {
    pub(super) fn new(word: &str) -> Self {
        Self(word.to_owned())
    }

    /// Adds a pair; a value that a program could misread is quoted.
    pub(super) fn with(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        let value = value.to_string();
        let is_plain = !value.is_empty()
            && value
                .chars()
                .all(|c| !c.is_whitespace() && !c.is_control() && c != '"');
        // Writing to a string does not fail.
        let _ = if is_plain {
            write!(self.0, " {key}={value}")
        } else {
            write!(self.0, " {key}={value:?}")
        };
        self
    }

    pub(super) fn log(&self) {
        log::info!(target: "messagebox::server", "{}", self.0);
    }
}

/// What became of the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stopped {
    /// The signal, or what else.
    pub(super) reason: &'static str,
    pub(super) uptime: Duration,
    /// Messages that were stored since the start.
    pub(super) stored: u64,
    /// Sockets that were open when the shutdown began and are not any more.
    pub(super) sockets_closed: usize,
    /// Whether everything that was under way has come to its end.
    pub(super) drained: bool,
    /// Panics since the start.
    pub(super) panics: u64,
}

impl Stopped {
    pub(super) fn line(&self) -> Line {
        Line::new("stopped")
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
    fn a_line_is_read_pair_by_pair() {
        let line = Line::new("started")
            .with("version", "1.2")
            .with("database", "sqlite:///a folder/x.db")
            .with("nothing", "");
        let expected = r#"started version=1.2 database="sqlite:///a folder/x.db" nothing="""#;
        assert_eq!(line.0, expected);
    }
}
