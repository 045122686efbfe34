//! The result of an attack: actions, figures, and whether every promise held.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;

/// The result of one attack, collected while it runs.
#[derive(Debug, Default)]
pub struct Outcome {
    did: Vec<String>,
    measured: Vec<String>,
    broken: Vec<String>,
    not_run: Option<String>,
}

/// An attack with its name.
pub struct Attack {
    /// The id in the list of abuse scenarios (`A1`), or a word for a promise that is older than the list.
    pub id: &'static str,
    pub title: &'static str,
    pub run: fn() -> Pin<Box<dyn Future<Output = Outcome>>>,
}

/// Makes an [`Attack`] of an async function without arguments.
macro_rules! attack {
    ($id:literal, $title:literal, $function:path) => {
        $crate::outcome::Attack {
            id: $id,
            title: $title,
            run: || Box::pin($function()),
        }
    };
}
pub(crate) use attack;

impl Outcome {
    /// The attack did not run because `missing` is not there. With `REQUIRE_ALL=1` that counts as broken, as in
    /// `tests/needs`.
    pub fn not_run(missing: &str) -> Self {
        let required = std::env::var("REQUIRE_ALL").is_ok_and(|it| !matches!(&*it, "" | "0"));
        if required {
            return Self::broken(format!("it needs {missing}"));
        }
        Self {
            not_run: Some(missing.to_owned()),
            ..Self::default()
        }
    }

    /// The attack ended early, which counts as broken.
    pub fn broken(reason: String) -> Self {
        Self {
            broken: vec![reason],
            ..Self::default()
        }
    }

    /// Notes an action of the attacker.
    pub fn did(&mut self, what: impl Display) {
        self.did.push(what.to_string());
    }

    /// Notes a figure without a bound.
    pub fn measured(&mut self, what: impl Display) {
        self.measured.push(what.to_string());
    }

    /// Checks a promise. The report shows `what` if it does not hold.
    pub fn holds(&mut self, held: bool, what: impl Display) {
        if !held {
            self.broken.push(what.to_string());
        }
    }

    /// Checks that a figure is at most `bound`.
    pub fn at_most(&mut self, what: &str, figure: u64, bound: u64) {
        self.measured(format!("{what} {figure} (at most {bound})"));
        self.holds(figure <= bound, format!("{what}: {figure} > {bound}"));
    }

    pub fn is_broken(&self) -> bool {
        !self.broken.is_empty()
    }

    pub fn verdict(&self) -> &'static str {
        match (&self.not_run, self.broken.is_empty()) {
            (Some(_), _) => "not run",
            (None, true) => "held",
            (None, false) => "BROKEN",
        }
    }

    /// One line for each action, figure and broken promise.
    pub fn lines(&self) -> Vec<String> {
        let line = |label: &str, parts: &[String]| {
            (!parts.is_empty()).then(|| format!("{label}: {}", parts.join("; ")))
        };
        let mut lines: Vec<String> = [
            line("did", &self.did),
            line("measured", &self.measured),
            line("not held", &self.broken),
        ]
        .into_iter()
        .flatten()
        .collect();
        lines.extend(self.not_run.iter().map(|why| format!("needs {why}")));
        lines
    }
}
