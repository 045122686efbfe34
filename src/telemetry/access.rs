//! The access log: one line per request and event, or only per refusal.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::line_limit::LineLimit;

/// The target of its lines in log filters.
const TARGET: &str = "messagebox::access";

/// Lines per second: clients can cause any number of refusals.
static REFUSALS: LineLimit = LineLimit::new(50);

/// Maximum characters of a path, a code or a reason.
const MAX_TEXT: usize = 200;

/// Which requests and events are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLog {
    Off,
    /// Refused requests and events.
    #[default]
    Refused,
    /// Every request, and every message of a socket.
    All,
}

static MODE: AtomicU8 = AtomicU8::new(AccessLog::Off as u8);

pub fn set_access_log(mode: AccessLog) {
    MODE.store(mode as u8, Ordering::Relaxed);
}

/// A request or an event, with its outcome.
#[derive(Debug, Clone, Default)]
pub struct AccessLine<'a> {
    /// The method of a request; empty for an event.
    pub method: &'a str,
    /// The path of a request, or the name of an event.
    pub what: &'a str,
    pub status: Option<u16>,
    /// Code and reason of a refusal.
    pub refusal: Option<(&'a str, &'a str)>,
    pub address: Option<String>,
    /// The identity, if authenticated.
    pub identity: Option<String>,
    pub took: Option<Duration>,
    /// Size of the answer.
    pub bytes: Option<u64>,
}

impl fmt::Display for AccessLine<'_> {
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

/// The beginning of a text, which a client may have chosen.
fn head(text: &str) -> &str {
    let end = text.char_indices().nth(MAX_TEXT);
    end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// Logs a request or an event, if the mode says so. `make` formats an [`AccessLine`].
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
        log::info!(target: TARGET, "{left_out} more refusals are not logged; the admin status counts them");
    }
    log::info!(target: TARGET, "{}", make());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_known_fields_and_long_texts_are_cut() {
        let event = AccessLine {
            what: "sendMessage",
            ..AccessLine::default()
        };
        assert_eq!(event.to_string(), "sendMessage");
        let path = format!("/{}", "é".repeat(300));
        let request = AccessLine {
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
