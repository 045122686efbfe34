//! The difference between this clock and that of another machine, taken from the time in its answer. Pure.

use std::fmt;

use reqwest::header::{DATE, HeaderMap};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// The other clock minus this one in milliseconds. It lies between two bounds, because an answer takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset {
    least: i64,
    most: i64,
}

/// The minimum error of this machine's clock, compared with the other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockError {
    /// This clock is so many milliseconds ahead.
    Ahead(u64),
    /// This clock is so many milliseconds behind.
    Behind(u64),
}

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (millis, direction) = match self {
            Self::Ahead(millis) => (millis, "ahead of"),
            Self::Behind(millis) => (millis, "behind"),
        };
        write!(f, "{} s {direction}", millis / 1_000)
    }
}

fn millis(time: OffsetDateTime) -> i64 {
    let millis = time.unix_timestamp_nanos().div_euclid(1_000_000);
    // All years of this calendar fit.
    i64::try_from(millis).unwrap_or(i64::MAX)
}

impl ClockOffset {
    /// Computes the offset from an answer that arrived between two times of this machine. The answer names the time `theirs`
    /// in milliseconds since 1970, exact to `resolution` milliseconds.
    pub fn new(
        theirs: i64,
        resolution: i64,
        asked: OffsetDateTime,
        answered: OffsetDateTime,
    ) -> Self {
        let latest = theirs.saturating_add(resolution);
        Self {
            least: theirs.saturating_sub(millis(answered)),
            most: latest.saturating_sub(millis(asked)),
        }
    }

    /// Computes the offset from the header `Date` of an HTTP answer. `None` if it is no date.
    pub fn of_date(date: &str, asked: OffsetDateTime, answered: OffsetDateTime) -> Option<Self> {
        let theirs = OffsetDateTime::parse(date.trim(), &Rfc2822).ok()?;
        Some(Self::new(millis(theirs), 1_000, asked, answered))
    }

    /// Computes the offset from the headers of an HTTP answer that has just arrived.
    pub fn of_headers(headers: &HeaderMap, asked: OffsetDateTime) -> Option<Self> {
        let date = headers.get(DATE)?.to_str().ok()?;
        Self::of_date(date, asked, OffsetDateTime::now_utc())
    }

    /// The error of this machine's clock, if it is certainly more than `tolerance` milliseconds.
    pub fn error(self, tolerance: u64) -> Option<ClockError> {
        let beyond = |millis: i64| u64::try_from(millis).ok().filter(|it| *it > tolerance);
        let ahead = beyond(self.most.saturating_neg()).map(ClockError::Ahead);
        ahead.or_else(|| beyond(self.least).map(ClockError::Behind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const ASKED: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);
    const ANSWERED: OffsetDateTime = datetime!(2026-01-02 03:04:07 UTC);

    #[test]
    fn a_clock_is_wrong_only_where_the_answers_way_does_not_explain_it() {
        for (date, expected) in [
            // Times that a correct clock can show between request and answer.
            ("Fri, 02 Jan 2026 03:04:05 GMT", None),
            ("Fri, 02 Jan 2026 03:04:07 GMT", None),
            // Differences that the tolerance and the resolution of a date explain.
            ("Fri, 02 Jan 2026 03:04:17 GMT", None),
            (
                "Fri, 02 Jan 2026 03:04:18 GMT",
                Some(ClockError::Behind(11_000)),
            ),
            ("Fri, 02 Jan 2026 03:03:54 GMT", None),
            (
                "Fri, 02 Jan 2026 03:03:53 GMT",
                Some(ClockError::Ahead(11_000)),
            ),
        ] {
            let offset = ClockOffset::of_date(date, ASKED, ANSWERED).unwrap();
            assert_eq!(offset.error(10_000), expected, "{date}");
        }
        for wrong in ["", "yesterday", "Fri, 99 Jan 2026 03:04:05 GMT"] {
            assert_eq!(ClockOffset::of_date(wrong, ASKED, ANSWERED), None);
        }
        for extreme in [i64::MIN, i64::MAX] {
            let offset = ClockOffset::new(extreme, 1, ASKED, ANSWERED);
            assert!(offset.error(10_000).is_some());
        }
    }

    #[test]
    fn an_error_is_said_in_seconds() {
        assert_eq!(ClockError::Ahead(42_900).to_string(), "42 s ahead of");
        assert_eq!(ClockError::Behind(3_600_000).to_string(), "3600 s behind");
    }
}
