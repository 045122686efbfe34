//! The expiry of a message on the command line.

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{CommandError, Exit};

/// A duration from now, or a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    In(Duration),
    At(OffsetDateTime),
}

/// The text is neither a duration nor a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected a duration such as 90s, 12h or 7days, or a date such as 2030-01-31T12:00:00Z")]
pub(crate) struct ExpiryError;

impl FromStr for Expiry {
    type Err = ExpiryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = humantime::parse_duration(text).map(Self::In);
        let date = || OffsetDateTime::parse(text, &Rfc3339).map(Self::At);
        time.or_else(|_| date()).map_err(|_| ExpiryError)
    }
}

impl Expiry {
    /// The date of the expiry.
    pub(crate) fn date(self, now: OffsetDateTime) -> Result<OffsetDateTime, CommandError> {
        let date = match self {
            Self::At(date) => Some(date),
            Self::In(time) => time.try_into().ok().and_then(|time| now.checked_add(time)),
        };
        let wrong = |what| Err(CommandError::new(Exit::Usage, what));
        match date {
            Some(date) if date > now => Ok(date),
            Some(_) => wrong("--expires: the message would already be expired"),
            None => wrong("--expires: the date is after the year 9999"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_a_duration_or_a_future_date() {
        let now = OffsetDateTime::parse("2026-01-01T00:00:00Z", &Rfc3339).unwrap();
        let date = |text: &str| {
            let expiry = text.parse::<Expiry>().map_err(|error| error.to_string())?;
            let date = expiry.date(now).map_err(|error| error.what)?;
            Ok::<_, String>(date.format(&Rfc3339).unwrap())
        };
        for (text, expected) in [
            ("90s", "2026-01-01T00:01:30Z"),
            ("7days", "2026-01-08T00:00:00Z"),
            ("2026-01-01T02:00:00+01:00", "2026-01-01T02:00:00+01:00"),
        ] {
            assert_eq!(date(text).as_deref(), Ok(expected));
        }
        for (text, wrong) in [
            ("0s", "already"),
            ("2026-01-01T00:00:00Z", "already"),
            ("20000years", "9999"),
            ("9999999999999years", "expected"),
            ("tomorrow", "expected"),
            ("", "expected"),
        ] {
            let error = date(text).unwrap_err();
            assert!(error.contains(wrong), "{text}: {error}");
        }
    }
}
