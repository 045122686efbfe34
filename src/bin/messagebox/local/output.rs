//! Printing: text for people, or JSON.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use anstream::AutoStream;
use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{CommandError, Exit};

/// The form of results.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    json: bool,
    /// Whether standard output is neither a terminal nor for people.
    piped: bool,
}

impl Printer {
    /// `json` and `human` are the flags of these names.
    pub(crate) fn new(json: bool, human: bool) -> Self {
        let piped = !human && !io::stdout().is_terminal();
        Self {
            json: json || piped,
            piped,
        }
    }

    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Prints and flushes a result, as JSON or as text.
    pub(crate) fn print(
        self,
        json: &impl Serialize,
        human: impl FnOnce() -> String,
    ) -> Result<(), CommandError> {
        if self.json {
            let json = serde_json::to_string(json).map_err(io::Error::from)?;
            return write(with_end(printable_json(&json)).as_bytes());
        }
        write_text(&with_end(human()))
    }

    /// Prints the answer of a server. JSON keeps its meaning, and is indented for people. Anything else goes to a pipe or a
    /// file unchanged.
    pub(crate) fn print_answer(self, body: &[u8]) -> Result<(), CommandError> {
        if let Ok(json) = serde_json::from_slice::<&RawValue>(body) {
            let indented = || {
                let value: Value = serde_json::from_str(json.get()).ok()?;
                serde_json::to_string_pretty(&value).ok()
            };
            let text = match (self.json, indented()) {
                (false, Some(text)) => text,
                // JSON strings contain no line breaks.
                _ => json.get().replace(['\n', '\r', '\t'], ""),
            };
            return write(with_end(printable_json(&text)).as_bytes());
        }
        if self.piped {
            return write(body);
        }
        write_text(&quoted(&String::from_utf8_lossy(body)))
    }
}

fn with_end(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Writes to standard output and flushes it.
pub(crate) fn write(bytes: &[u8]) -> Result<(), CommandError> {
    written(io::stdout().lock(), bytes)
}

/// Writes text to standard output. Without a terminal, and if `NO_COLOR` or `TERM` says so, it leaves styles out.
pub(crate) fn write_text(text: &str) -> Result<(), CommandError> {
    written(AutoStream::auto(io::stdout()).lock(), text.as_bytes())
}

fn written(mut stdout: impl io::Write, bytes: &[u8]) -> Result<(), CommandError> {
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => CommandError::unread(),
        _ => CommandError::new(Exit::Failed, format!("writing to standard output: {error}")),
    })
}

/// Prints a note to standard error.
pub(crate) fn note(text: &str) {
    write_error(&format!("messagebox: {}\n", printable(text)));
}

/// Prints an error and its advice.
pub(crate) fn report(error: &CommandError) {
    if error.is_unread() {
        return;
    }
    let mut text = format!("{} {}\n", bad("messagebox:"), printable(&error.what));
    if let Some(advice) = &error.advice {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}", printable(advice));
    }
    write_error(&text);
}

fn write_error(text: &str) {
    // There is no other place to report to if standard error is closed.
    let _ = AutoStream::auto(io::stderr())
        .lock()
        .write_all(text.as_bytes());
}

/// Styles the name of a field.
pub(crate) fn label(text: &str) -> String {
    styled(Style::new().dimmed(), text)
}

/// Styles the most important word.
pub(crate) fn strong(text: &str) -> String {
    styled(Style::new().bold(), text)
}

/// Styles a state that needs no attention.
pub(crate) fn good(text: &str) -> String {
    styled(AnsiColor::Green.on_default(), text)
}

/// Styles a state that needs attention.
pub(crate) fn doubtful(text: &str) -> String {
    styled(AnsiColor::Yellow.on_default(), text)
}

/// Styles a word for a failure.
pub(crate) fn bad(text: &str) -> String {
    styled(AnsiColor::Red.on_default().bold(), text)
}

fn styled(style: Style, text: &str) -> String {
    format!("{style}{}{style:#}", printable(text))
}

/// Escapes a text of others for one line of a terminal: line ends, control characters and bidirectional marks.
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

/// Escapes a text of others with several lines. Each line gets a mark, so that none looks like a line of ours.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for line in text.split('\n') {
        let cells: Vec<String> = line.split('\t').map(printable).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(shown, "| {}", cells.join("\t"));
    }
    shown
}

/// Escapes control characters in JSON without changing its meaning. JSON allows most of them within strings; line breaks
/// can only be between values.
fn printable_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if steers(character) && character != '\n' {
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

/// Whether a character is a control character, a line end or a bidirectional mark.
fn steers(character: char) -> bool {
    let turns = matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || turns || matches!(character, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("héllo € end"), "héllo € end");
        assert_eq!(
            printable("\u{1b}[2J\r\n\u{9b}a\u{202e}b\u{2028}"),
            r"\u{1b}[2J\u{d}\u{a}\u{9b}a\u{202e}b\u{2028}"
        );
    }

    #[test]
    fn every_line_of_a_quotation_is_marked() {
        let text = "hello\n\nfrom  02aa\r\nid\t1\u{85}time";
        let expected = "| hello\n| \n| from  02aa\\u{d}\n| id\t1\\u{85}time\n";
        assert_eq!(quoted(text), expected);
    }

    #[test]
    fn escaped_json_keeps_its_meaning() {
        let text = "a\u{1b}\u{7f}\u{9b}\u{61c}\u{202e}\u{2066}\u{2029}é\n";
        let json = printable_json(&serde_json::to_string(text).unwrap());
        assert!(!json.chars().any(steers), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
