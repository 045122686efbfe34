//! The SQL type of times: text in SQLite, `TIMESTAMP` in MySQL, `timestamptz` in PostgreSQL. Sessions use UTC.

use std::fmt;
use std::ops::Deref;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::query_builder::QueryId;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{HasSqlType, SqlType, Text};
use diesel::sqlite::Sqlite;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::any_connection::{MultiBackend, MultiRawValue};
use super::clock;

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
        let text = Self(String::deserialize(deserializer)?);
        let time = OffsetDateTime::parse(&text, &Rfc3339).map_err(D::Error::custom)?;
        if clock::text(time) == text {
            Ok(text)
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
        FromSql, Moment, OffsetDateTime, Output, Rfc3339, Timestamp, ToSql, clock, deserialize,
        serialize,
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
            Ok(clock::text(time))
        }
    }
}
