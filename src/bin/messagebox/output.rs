//! What is printed: for people, or JSON.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::error::{CommandError, Exit};
use crate::options::General;

/// Where results go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(general: &General) -> Self {
        let json = general.json || (!general.human && !io::stdout().is_terminal());
        Self { json }
    }

    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Prints a result, in one form or the other; it is out when this comes back.
    pub(crate) fn print(
        self,
        json: &impl Serialize,
        human: impl FnOnce() -> String,
    ) -> Result<(), CommandError> {
        let mut text = if self.json {
            serde_json::to_string(json).map_err(io::Error::from)?
        } else {
            human()
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        write(text.as_bytes())
    }
}

/// Writes to standard output; it is out when this comes back.
pub(crate) fn write(bytes: &[u8]) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|error| {
        CommandError::new(Exit::Failed, format!("writing to standard output: {error}"))
    })
}

/// Tells the user something that is no result.
pub(crate) fn note(text: &str) {
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(io::stderr(), "messagebox: {}", printable(text));
}

/// A text of others as a terminal may show it: what would move its cursor, change its colours or turn the direction of
/// writing is written as an escape.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let turns = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
        if (character.is_control() && !matches!(character, '\n' | '\t')) || turns {
            // Writing to a string cannot fail.
            let _ = write!(shown, "{}", character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_a_terminal_is_shown_instead() {
        assert_eq!(printable("héllo €\n\tend"), "héllo €\n\tend");
        assert_eq!(
            printable("\u{1b}[2J\r\u{9b}a\u{202e}b"),
            r"\u{1b}[2J\u{d}\u{9b}a\u{202e}b"
        );
    }
}
