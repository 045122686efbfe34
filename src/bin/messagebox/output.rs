//! What is printed: for people, or JSON.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use anstream::AutoStream;
use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{CommandError, Exit};
use crate::options::General;

/// Where results go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    /// Whether neither a terminal nor people read it.
    piped: bool,
}

impl Output {
    pub(crate) fn new(general: &General) -> Self {
        let is_terminal = io::stdout().is_terminal();
        Self {
            json: general.json || (!general.human && !is_terminal),
            piped: !general.human && !is_terminal,
        }
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
        if self.json {
            let json = serde_json::to_string(json).map_err(io::Error::from)?;
            return write(with_end(printable_json(&json)).as_bytes());
        }
        write_text(&with_end(human()))
    }

    /// Prints what a server answered, whatever it is. JSON keeps its meaning, and is indented for people. Anything else goes
    /// to a pipe or a file as it came.
    pub(crate) fn print_answer(self, body: &[u8]) -> Result<(), CommandError> {
        if let Ok(json) = serde_json::from_slice::<&RawValue>(body) {
            let indented = || {
                let value: Value = serde_json::from_str(json.get()).ok()?;
                serde_json::to_string_pretty(&value).ok()
            };
            let text = match (self.json, indented()) {
                (false, Some(text)) => text,
                // A line break is no part of a string in JSON.
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

/// Writes to standard output; it is out when this comes back.
pub(crate) fn write(bytes: &[u8]) -> Result<(), CommandError> {
    written(io::stdout().lock(), bytes)
}

/// Writes a text for people to standard output. What sets it off is left out where it is no terminal, and where `NO_COLOR` or
/// `TERM` says so.
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

/// Tells the user something that is no result.
pub(crate) fn note(text: &str) {
    write_error(&format!("messagebox: {}\n", printable(text)));
}

/// Tells the user why the command failed, and what to do about it.
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
    // Nobody is left to tell if standard error is closed.
    let _ = AutoStream::auto(io::stderr())
        .lock()
        .write_all(text.as_bytes());
}

/// The name of a field, before its value.
pub(crate) fn label(text: &str) -> String {
    styled(Style::new().dimmed(), text)
}

/// The word that people look for first.
pub(crate) fn strong(text: &str) -> String {
    styled(Style::new().bold(), text)
}

/// A state that needs no attention.
pub(crate) fn good(text: &str) -> String {
    styled(AnsiColor::Green.on_default(), text)
}

/// A state that somebody should look at.
pub(crate) fn doubtful(text: &str) -> String {
    styled(AnsiColor::Yellow.on_default(), text)
}

/// A failure.
pub(crate) fn bad(text: &str) -> String {
    styled(AnsiColor::Red.on_default().bold(), text)
}

fn styled(style: Style, text: &str) -> String {
    format!("{style}{}{style:#}", printable(text))
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

/// JSON with the same meaning, in which nothing steers a terminal. JSON itself lets most of that through within its strings;
/// a line break can only stand between them.
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
