//! The access log: a line for each request and event, or only for those that are refused.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::line_limit::LineLimit;

/// The target of its lines, for filters.
const TARGET: &str = "messagebox::access";

/// Lines in a second: strangers can be refused as often as they like.
static REFUSALS: LineLimit = LineLimit::new(50);

/// Characters of a path, a code or a reason.
const MAX_TEXT: usize = 200;

/// What has a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLog {
    /// Nothing.
    Off,
    /// What is refused.
    #[default]
    Refused,
    /// Every request, and every message of a socket.
    All,
}

static MODE: AtomicU8 = AtomicU8::new(AccessLog::Off as u8);

/// Sets what has a line from now on.
pub fn set_access_log(mode: AccessLog) {
    MODE.store(mode as u8, Ordering::Relaxed);
}

/// A request or an event, and what became of it.
#[derive(Debug, Clone, Default)]
pub struct Access<'a> {
    /// The method of a request; nothing for an event.
    pub method: &'a str,
    /// The path of a request, or the name of an event.
    pub what: &'a str,
    /// The status of an answer.
    pub status: Option<u16>,
    /// The code and the reason of a refusal.
    pub refusal: Option<(&'a str, &'a str)>,
    /// Where it came from.
    pub address: Option<String>,
    /// Who has proven to ask.
    pub identity: Option<String>,
    /// How long it took.
    pub took: Option<Duration>,
    /// Bytes of the answer.
    pub bytes: Option<u64>,
}

impl fmt::Display for Access<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.method.is_empty() {
            write!(f, "{} ", self.method)?;
        }
        f.write_str(head(self.what))?;
        if let Some(status) = self.status {
            write!(f, " {status}")?;
        }
        if let Some((code, _)) = self.refusal {
            write!(f, " {}", head(code))?;
        }
        if let Some(address) = &self.address {
            write!(f, " address={address}")?;
        }
        if let Some(identity) = &self.identity {
            write!(f, " identity={identity}")?;
        }
        if let Some(took) = self.took {
            write!(f, " ms={}", took.as_millis())?;
        }
        if let Some(bytes) = self.bytes {
            write!(f, " bytes={bytes}")?;
        }
        match self.refusal {
            Some((_, reason)) if !reason.is_empty() => write!(f, " reason={:?}", head(reason)),
            _ => Ok(()),
        }
    }
}

/// The beginning of a text, which may be a stranger's.
fn head(text: &str) -> &str {
    let end = text.char_indices().nth(MAX_TEXT);
    end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// Writes the line of a request or an event, if it has one. `make` puts an [`Access`] together.
pub fn access(is_refused: bool, make: impl FnOnce() -> String) {
    let mode = MODE.load(Ordering::Relaxed);
    if mode == AccessLog::All as u8 {
        return log::info!(target: TARGET, "{}", make());
    }
    if mode == AccessLog::Off as u8 || !is_refused {
        return;
    }
    let Some(left_out) = REFUSALS.enter() else {
        return;
    };
    if left_out > 0 {
        log::info!(target: TARGET, "{left_out} more were refused; the admin status counts them");
    }
    log::info!(target: TARGET, "{}", make());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_is_known_and_no_more_of_a_text_than_its_beginning() {
        let event = Access {
            what: "sendMessage",
            ..Access::default()
        };
        assert_eq!(event.to_string(), "sendMessage");
        let path = format!("/{}", "é".repeat(300));
        let request = Access {
            method: "POST",
            what: &path,
            status: Some(401),
            refusal: Some(("ERR_AUTH_FAILED", "a \"word\"\nand more")),
            address: Some("192.0.2.1".to_owned()),
            identity: Some("02ab…".to_owned()),
            took: Some(Duration::from_micros(2_900)),
            bytes: Some(7),
        };
        let expected = format!(
            "POST /{} 401 ERR_AUTH_FAILED address=192.0.2.1 identity=02ab… ms=2 bytes=7 reason=\"a \\\"word\\\"\\nand more\"",
            "é".repeat(199)
        );
        assert_eq!(request.to_string(), expected);
    }
}
