//! The clock of a transaction, and times as text: ISO 8601, UTC, milliseconds. Text order is time order.
//!
//! The SQL type is text in SQLite, `TIMESTAMP` in MySQL and `timestamptz` in PostgreSQL. Sessions use UTC.

use std::fmt;
use std::num::NonZero;
use std::ops::Deref;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::query_builder::QueryId;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{HasSqlType, SqlType, Text};
use diesel::sqlite::Sqlite;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::format_description::well_known::iso8601::{Config, EncodedConfig, TimePrecision};
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{Duration, OffsetDateTime};

use super::any_connection::{MultiBackend, MultiRawValue};

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

/// A duration in milliseconds, for a column.
pub(crate) fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
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
        let then = OffsetDateTime::parse(then, &Rfc3339);
        let passed = then.map_or(Duration::ZERO, |then| self.time - then);
        passed.try_into().unwrap_or_default()
    }

    /// Whether a message with these times has expired.
    pub(crate) fn is_past(&self, created_at: &Timestamp, expires_at: Option<&Timestamp>) -> bool {
        expires_at.is_some_and(|at| *at <= self.text)
            || self.stale.as_ref().is_some_and(|stale| created_at <= stale)
    }
}

/// The SQL type of time columns.
#[derive(Debug, Clone, Copy, Default, SqlType, QueryId)]
#[diesel(sqlite_type(name = "Text"))]
// `Timestamp` ends in 2038: MariaDB stores NULL for later times, even in columns with a larger range.
#[cfg_attr(feature = "mysql", diesel(mysql_type(name = "DateTime")))]
#[cfg_attr(
    feature = "postgres",
    diesel(postgres_type(oid = 1184, array_oid = 1185))
)]
pub struct Moment;

/// A time such as `2026-01-31T23:59:59.999Z`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, AsExpression, FromSqlRow)]
#[diesel(sql_type = Moment)]
pub struct Timestamp(pub(crate) String);

impl Deref for Timestamp {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<Timestamp> for String {
    fn from(Timestamp(text): Timestamp) -> Self {
        text
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    /// Accepts this format only, because times are compared as texts.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let timestamp = Self(String::deserialize(deserializer)?);
        let time = OffsetDateTime::parse(&timestamp, &Rfc3339).map_err(D::Error::custom)?;
        if text(time) == timestamp {
            Ok(timestamp)
        } else {
            Err(D::Error::custom(
                "expected a time as 2026-01-31T23:59:59.999Z",
            ))
        }
    }
}

impl ToSql<Moment, Sqlite> for Timestamp {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        <str as ToSql<Text, Sqlite>>::to_sql(&self.0, out)
    }
}

impl FromSql<Moment, Sqlite> for Timestamp {
    fn from_sql(
        value: <Sqlite as diesel::backend::Backend>::RawValue<'_>,
    ) -> deserialize::Result<Self> {
        <String as FromSql<Text, Sqlite>>::from_sql(value).map(Self)
    }
}

impl HasSqlType<Moment> for MultiBackend {
    fn metadata(lookup: &mut Self::MetadataLookup) -> Self::TypeMetadata {
        Self::lookup_sql_type::<Moment>(lookup)
    }
}

impl ToSql<Moment, MultiBackend> for Timestamp {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, MultiBackend>) -> serialize::Result {
        out.set_value((Moment, self));
        Ok(IsNull::No)
    }
}

impl FromSql<Moment, MultiBackend> for Timestamp {
    fn from_sql(value: MultiRawValue<'_>) -> deserialize::Result<Self> {
        value.from_sql::<Self, Moment>()
    }
}

impl FromSql<Moment, MultiBackend> for String {
    fn from_sql(value: MultiRawValue<'_>) -> deserialize::Result<Self> {
        value.from_sql::<Timestamp, Moment>().map(Self::from)
    }
}

/// `TIMESTAMP(3)` and `DATETIME(3)`, as the client library represents them.
#[cfg(feature = "mysql")]
mod mysql {
    use diesel::mysql::data_types::{MysqlTime, MysqlTimestampType};
    use diesel::mysql::sql_types::Datetime;
    use diesel::mysql::{Mysql, MysqlValue};

    use super::{
        FromSql, Moment, OffsetDateTime, Output, Rfc3339, Timestamp, ToSql, deserialize, serialize,
    };

    impl ToSql<Moment, Mysql> for Timestamp {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Mysql>) -> serialize::Result {
            let time = OffsetDateTime::parse(self, &Rfc3339)?;
            let time = MysqlTime::new(
                u32::try_from(time.year())?,
                u8::from(time.month()).into(),
                time.day().into(),
                time.hour().into(),
                time.minute().into(),
                time.second().into(),
                time.microsecond().into(),
                false,
                MysqlTimestampType::MYSQL_TIMESTAMP_DATETIME,
                0,
            );
            ToSql::<Datetime, Mysql>::to_sql(&time, &mut out.reborrow())
        }
    }

    impl FromSql<Moment, Mysql> for Timestamp {
        fn from_sql(value: MysqlValue<'_>) -> deserialize::Result<Self> {
            let time = <MysqlTime as FromSql<Datetime, Mysql>>::from_sql(value)?;
            Ok(Self(format!(
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                time.year,
                time.month,
                time.day,
                time.hour,
                time.minute,
                time.second,
                time.second_part / 1_000
            )))
        }
    }
}

/// `timestamptz`: microseconds since 2000.
#[cfg(feature = "postgres")]
mod postgres {
    use diesel::data_types::PgTimestamp;
    use diesel::pg::{Pg, PgValue};
    use diesel::sql_types::Timestamptz;
    use time::Duration;

    use super::{
        FromSql, Moment, OffsetDateTime, Output, Rfc3339, Timestamp, ToSql, deserialize, serialize,
        text,
    };

    const EPOCH: OffsetDateTime = OffsetDateTime::UNIX_EPOCH.saturating_add(Duration::days(10_957));

    impl ToSql<Moment, Pg> for Timestamp {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
            let since = OffsetDateTime::parse(self, &Rfc3339)? - EPOCH;
            let micros = i64::try_from(since.whole_microseconds())?;
            ToSql::<Timestamptz, Pg>::to_sql(&PgTimestamp(micros), &mut out.reborrow())
        }
    }

    impl FromSql<Moment, Pg> for Timestamp {
        fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
            let PgTimestamp(micros) = FromSql::<Timestamptz, Pg>::from_sql(value)?;
            let time = EPOCH
                .checked_add(Duration::microseconds(micros))
                .ok_or("a time beyond all years")?;
            Ok(text(time))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_has_the_form_that_clients_parse() {
        let text = Now::read(None).text;
        assert_eq!(text.len(), 24);
        let parsed = OffsetDateTime::parse(&text, &Rfc3339);
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
