//! Opens connections to the database of the settings.

use super::settings::DbSettings;
use super::url::DatabaseUrl;
use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::error::{BoxError, DbError};
#[cfg(feature = "mysql")]
use crate::db::engine::mysql;
#[cfg(feature = "postgres")]
use crate::db::engine::postgres;
use crate::db::engine::sqlite;

pub(super) fn connect(settings: &DbSettings) -> Result<AnyConnection, BoxError> {
    let busy_timeout = settings.busy_timeout;
    Ok(match &settings.url {
        DatabaseUrl::Sqlite(path) => AnyConnection::Sqlite(sqlite::connect(path, busy_timeout)?),
        #[cfg(feature = "mysql")]
        DatabaseUrl::Mysql(url) => AnyConnection::Mysql(mysql::connect(url, busy_timeout)?),
        #[cfg(feature = "postgres")]
        DatabaseUrl::Postgres(url) => {
            AnyConnection::Postgres(postgres::connect(url, busy_timeout)?)
        }
    })
}

/// Opens a single connection without the pool, and refuses a pooler that shares sessions.
pub(crate) fn by_hand(settings: &DbSettings) -> Result<AnyConnection, DbError> {
    let first = connect(settings);
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    let first =
        first.and_then(|first| super::pooler::refuse_shared_sessions(first, || connect(settings)));
    first.map_err(|error| DbError::open(&settings.url, error))
}
