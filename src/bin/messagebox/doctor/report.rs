//! The findings of the checks.

use std::fmt::Write as _;

use serde::Serialize;

use crate::error::{CommandError, Exit};
use crate::local::output::{Printer, bad, doubtful, good, printable, write_text};
use crate::options::General;

use super::latency::Latency;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Ok,
    /// It works, but needs attention.
    Warning,
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

    fn shown(self, text: &str) -> String {
        match self {
            Self::Ok => good(text),
            Self::Warning => doubtful(text),
            Self::Failed => bad(text),
        }
    }
}

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

    /// A failure with the exit code of an error.
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

/// All findings so far.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Diagnosis {
    server: String,
    verdict: Verdict,
    pub(super) identity_key: Option<String>,
    /// The public description of the server, unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) info: Option<serde_json::Value>,
    checks: Vec<Check>,
    pub(super) latency: Option<Latency>,
    #[serde(skip)]
    output: Printer,
    #[serde(skip)]
    exit: Exit,
}

impl Diagnosis {
    pub(super) fn new(general: &General, output: Printer) -> Self {
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
