//! `messagebox-server accept-database`: accepts a database that was copied without its write-ahead log.

use std::io::Write;

use crate::config::Settings;
use crate::db;

use crate::server::error::ServerError;
use crate::server::layer_settings::db_settings;

/// Accepts the missing log, and writes the outcome to `out`.
///
/// # Errors
/// [`ServerError`].
pub fn accept_database(settings: &Settings, out: &mut impl Write) -> Result<(), ServerError> {
    let settings = db_settings(settings)?;
    let was_missing = db::accept_database(&settings)?;
    let outcome = if was_missing {
        "accepted without its write-ahead log"
    } else {
        "has its write-ahead log: nothing to accept"
    };
    writeln!(out, "{}: {outcome}", settings.url).map_err(ServerError::Broken)
}
