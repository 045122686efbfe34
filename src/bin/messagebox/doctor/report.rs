//! What a check found, and all of it together.

use std::fmt::Write as _;

use serde::Serialize;

use crate::error::{CommandError, Exit};
use crate::options::General;
use crate::output::{Output, bad, doubtful, good, printable, write_text};

use super::latency::Latency;

/// What a finding means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but something should be looked at.
    Warning,
    /// It does not work.
    Failed,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }

    /// A text in the verdict's colour.
    fn shown(self, text: &str) -> String {
        match self {
            Self::Ok => good(text),
            Self::Warning => doubtful(text),
            Self::Failed => bad(text),
        }
    }
}

/// One check.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    name: &'static str,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
    #[serde(skip)]
    exit: Exit,
}

impl Check {
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Ok,
            found: found.into(),
            advice: None,
            exit: Exit::Done,
        }
    }

    pub(super) fn warning(name: &'static str, found: impl Into<String>, advice: &str) -> Self {
        Self {
            verdict: Verdict::Warning,
            advice: Some(advice.to_owned()),
            ..Self::ok(name, found)
        }
    }

    pub(super) fn failed(
        name: &'static str,
        exit: Exit,
        found: impl Into<String>,
        advice: &str,
    ) -> Self {
        Self {
            verdict: Verdict::Failed,
            exit,
            ..Self::warning(name, found, advice)
        }
    }

    /// With the error's own exit code and advice, or this advice where it has none.
    pub(super) fn error(name: &'static str, error: CommandError, advice: &str) -> Self {
        let CommandError { exit, what, .. } = error;
        Self::failed(name, exit, what, advice)
    }

    fn human(&self) -> String {
        let verdict = self.verdict.shown(&format!("{:<8}", self.verdict.word()));
        let mut line = format!("{verdict} {:<12} {}\n", self.name, printable(&self.found));
        if let Some(advice) = &self.advice {
            // Writing to a string cannot fail.
            let _ = writeln!(line, "{:22}→ {}", "", printable(advice));
        }
        line
    }
}

/// All checks so far.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    server: String,
    verdict: Verdict,
    pub(super) identity_key: Option<String>,
    /// What the server says of itself, as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) info: Option<serde_json::Value>,
    checks: Vec<Check>,
    pub(super) latency: Option<Latency>,
    #[serde(skip)]
    output: Output,
    #[serde(skip)]
    exit: Exit,
}

impl Report {
    pub(super) fn new(general: &General, output: Output) -> Self {
        Self {
            server: general.server.to_string(),
            verdict: Verdict::Ok,
            identity_key: None,
            info: None,
            checks: Vec::new(),
            latency: None,
            output,
            exit: Exit::Done,
        }
    }

    /// Takes a check, and prints it at once for people; whether it did not fail.
    pub(super) fn add(&mut self, check: Check) -> Result<bool, CommandError> {
        if !self.output.is_json() {
            write_text(&check.human())?;
        }
        self.verdict = self.verdict.max(check.verdict);
        // The first failure is what the others may come from.
        if self.exit == Exit::Done {
            self.exit = check.exit;
        }
        let works = check.verdict != Verdict::Failed;
        self.checks.push(check);
        Ok(works)
    }

    /// Prints the whole, and gives the exit code.
    pub(super) fn finish(self) -> Result<Exit, CommandError> {
        self.output.print(&self, || {
            let verdict = match self.verdict {
                Verdict::Ok => "all is well",
                Verdict::Warning => "it works; see the warnings",
                Verdict::Failed => "it does not work",
            };
            format!("\n{}: {}", self.server, self.verdict.shown(verdict))
        })?;
        Ok(self.exit)
    }
}
