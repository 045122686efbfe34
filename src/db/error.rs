//! Why something was not stored or read.

use thiserror::Error;

/// A failure of the persistence layer. Nothing was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DbError {
    /// As many writes wait as may wait.
    #[error("too many writes are waiting")]
    Overloaded,
    /// The database could not do it now: locked, full, read-only, gone.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A store function panicked; the connection was replaced.
    #[error("a database operation failed unexpectedly")]
    Panicked,
    /// The executor is stopping.
    #[error("the database is closed")]
    Closed,
    /// The URL names no database that this build can use.
    #[error("database url {url}: {expected}")]
    Url {
        /// The URL, without a password.
        url: String,
        /// What was expected.
        expected: &'static str,
    },
    /// The database could not be opened or brought up to date.
    #[error("cannot open the database {url}: {cause}")]
    Open {
        /// The URL, without a password.
        url: String,
        /// What went wrong.
        cause: String,
    },
}

impl From<diesel::result::Error> for DbError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}
