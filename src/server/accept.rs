//! `messagebox-server accept-database`: keeps a database that was copied without its log of writes.

use std::io::Write;

use crate::config::Settings;
use crate::db::{self, DatabaseUrl};

use super::ServerError;
use super::layer_settings::db_settings;

/// Acknowledges the missing log, and writes to `out` what was done.
///
/// # Errors
/// [`ServerError`].
pub fn accept_database(settings: &Settings, out: &mut impl Write) -> Result<(), ServerError> {
    let url = DatabaseUrl::parse(&settings.database_url())?;
    let settings = db_settings(settings, url);
    let was_missing = db::accept_database(&settings)?;
    let said = if was_missing {
        "accepted without its log of writes"
    } else {
        "has its log of writes: nothing to accept"
    };
    writeln!(out, "{}: {said}", settings.url).map_err(ServerError::Broken)
}
