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
            printable_json(&serde_json::to_string(json).map_err(io::Error::from)?)
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

/// A text of others on one line of a terminal. What would end the line, move the cursor, change colours or turn the direction
/// of writing is written as an escape.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if steers(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// A text of others of several lines. Each begins with a mark, so that none can be taken for a line of ours.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for line in text.split('\n') {
        let cells: Vec<String> = line.split('\t').map(printable).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(shown, "| {}", cells.join("\t"));
    }
    shown
}

/// JSON with the same meaning, in which nothing steers a terminal. JSON itself lets most of that through within its strings.
fn printable_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if steers(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                // Writing to a string cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Control characters, ends of lines, and what turns the direction of writing.
fn steers(character: char) -> bool {
    let turns = matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || turns || matches!(character, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_a_terminal_is_shown_instead() {
        assert_eq!(printable("héllo € end"), "héllo € end");
        assert_eq!(
            printable("\u{1b}[2J\r\n\u{9b}a\u{202e}b\u{2028}"),
            r"\u{1b}[2J\u{d}\u{a}\u{9b}a\u{202e}b\u{2028}"
        );
    }

    #[test]
    fn no_line_of_a_quotation_is_one_of_ours() {
        let text = "hello\n\nfrom  02aa\r\nid\t1\u{85}time";
        let expected = "| hello\n| \n| from  02aa\\u{d}\n| id\t1\\u{85}time\n";
        assert_eq!(quoted(text), expected);
    }

    #[test]
    fn json_says_the_same_and_steers_nothing() {
        let text = "a\u{1b}\u{7f}\u{9b}\u{61c}\u{202e}\u{2066}\u{2029}é\n";
        let json = printable_json(&serde_json::to_string(text).unwrap());
        assert!(!json.chars().any(steers), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
