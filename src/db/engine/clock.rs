//! The clock of a transaction, and timestamps as text: ISO 8601, UTC, milliseconds. Text order is time order.

use std::num::NonZero;

use time::format_description::well_known::Iso8601;
use time::format_description::well_known::iso8601::{Config, EncodedConfig, TimePrecision};
use time::{Duration, OffsetDateTime};

use super::timestamp::Timestamp;

const MILLISECONDS: EncodedConfig = Config::DEFAULT
    .set_time_precision(TimePrecision::Second {
        decimal_digits: NonZero::new(3),
    })
    .encode();
const FORMAT: Iso8601<MILLISECONDS> = Iso8601;

/// Formats a time as `2026-01-31T23:59:59.999Z`.
pub(crate) fn text(time: OffsetDateTime) -> Timestamp {
    // Near the maximum date, a time in another offset cannot be converted to UTC.
    let time = time.checked_to_offset(time::UtcOffset::UTC).unwrap_or(time);
    // A fixed format cannot fail for dates of this era.
    Timestamp(time.format(&FORMAT).unwrap_or_default())
}

fn before(time: OffsetDateTime, duration: std::time::Duration) -> Option<Timestamp> {
    let duration = Duration::try_from(duration).ok()?;
    time.checked_sub(duration).map(text)
}

fn after(time: OffsetDateTime, duration: std::time::Duration) -> Option<Timestamp> {
    let duration = Duration::try_from(duration).ok()?;
    time.checked_add(duration).map(text)
}

/// One reading of the clock, shared by a whole transaction.
#[derive(Debug, Clone)]
pub(crate) struct Now {
    time: OffsetDateTime,
    pub(crate) text: Timestamp,
    /// Messages stored up to this time have expired; none if messages never expire.
    pub(crate) stale: Option<Timestamp>,
    /// The time at which a message stored now expires; none if messages never expire.
    #[cfg_attr(
        not(feature = "mysql"),
        expect(dead_code, reason = "only MySQL has the column")
    )]
    pub(crate) retained_until: Option<Timestamp>,
}

impl Now {
    /// Reads the clock. Messages expire after `ttl`, if given.
    pub(crate) fn read(ttl: Option<std::time::Duration>) -> Self {
        let time = OffsetDateTime::now_utc();
        Self {
            time,
            text: text(time),
            stale: ttl.and_then(|ttl| before(time, ttl)),
            retained_until: ttl.and_then(|ttl| after(time, ttl)),
        }
    }

    pub(crate) fn millis(&self) -> i64 {
        let millis = self.time.unix_timestamp_nanos().div_euclid(1_000_000);
        i64::try_from(millis).unwrap_or(i64::MAX)
    }

    /// Adds a duration. Returns none if the result is out of range.
    pub(crate) fn later(&self, duration: std::time::Duration) -> Option<Timestamp> {
        after(self.time, duration)
    }

    /// Subtracts a duration, but not past 1970.
    pub(crate) fn ago(&self, duration: std::time::Duration) -> Timestamp {
        before(self.time, duration).unwrap_or_else(|| text(OffsetDateTime::UNIX_EPOCH))
    }

    /// The time elapsed since then; zero if then is in the future.
    pub(crate) fn since(&self, then: &Timestamp) -> std::time::Duration {
        let then = OffsetDateTime::parse(then, &time::format_description::well_known::Rfc3339);
        let passed = then.map_or(Duration::ZERO, |then| self.time - then);
        passed.try_into().unwrap_or_default()
    }

    /// Whether a message with these times has expired.
    pub(crate) fn is_past(&self, created_at: &Timestamp, expires_at: Option<&Timestamp>) -> bool {
        expires_at.is_some_and(|at| *at <= self.text)
            || self.stale.as_ref().is_some_and(|stale| created_at <= stale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_has_the_form_that_clients_parse() {
        let text = Now::read(None).text;
        assert_eq!(text.len(), 24);
        let parsed = OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339);
        assert!(parsed.unwrap().year() >= 2026);
    }

    fn at(text: &str) -> Timestamp {
        Timestamp(text.to_owned())
    }

    #[test]
    fn a_message_is_past_at_its_own_time_or_at_the_servers() {
        let now = Now {
            time: OffsetDateTime::UNIX_EPOCH,
            text: at("2026-01-02T00:00:00.000Z"),
            stale: Some(at("2026-01-01T00:00:00.000Z")),
            retained_until: None,
        };
        let cases = [
            ("2026-01-01T12:00:00.000Z", None, false),
            (
                "2026-01-01T12:00:00.000Z",
                Some("2026-01-02T00:00:00.001Z"),
                false,
            ),
            (
                "2026-01-01T12:00:00.000Z",
                Some("2026-01-02T00:00:00.000Z"),
                true,
            ),
            ("2026-01-01T00:00:00.000Z", None, true),
        ];
        for (created_at, expires_at, past) in cases {
            let is_past = now.is_past(&at(created_at), expires_at.map(at).as_ref());
            assert_eq!(is_past, past, "{created_at}");
        }
    }
}
