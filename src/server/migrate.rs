//! `messagebox-server migrate`: brings the tables up to date, or says what would be run.

use std::io::Write;

use crate::config::Settings;
use crate::db::{DatabaseUrl, apply_migrations, pending_migrations};

use super::ServerError;
use super::layer_settings::db_settings;

/// Brings the tables up to date and writes the names of what was applied to `out`; with `dry_run`, the SQL of what would
/// be, and nothing is changed.
///
/// # Errors
/// [`ServerError`].
pub fn migrate(
    settings: &Settings,
    dry_run: bool,
    out: &mut impl Write,
) -> Result<(), ServerError> {
    let url = DatabaseUrl::parse(&settings.database_url())?;
    let settings = db_settings(settings, url);
    let mut write = |line: &str| writeln!(out, "{line}").map_err(ServerError::Broken);
    if dry_run {
        let pending = pending_migrations(&settings)?;
        write(&format!(
            "-- {}: {} migrations to apply",
            settings.url,
            pending.len()
        ))?;
        for migration in pending {
            write(&format!(
                "\n-- {}\n{}",
                migration.name,
                migration.sql.trim_end()
            ))?;
        }
        return Ok(());
    }
    let applied = apply_migrations(&settings)?;
    for name in &applied {
        write(&format!("applied {name}"))?;
    }
    write(&format!(
        "{}: {} migrations applied",
        settings.url,
        applied.len()
    ))
}
