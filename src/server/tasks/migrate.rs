//! `messagebox-server migrate`: applies pending migrations, or prints their SQL.

use std::io::Write;

use crate::config::Settings;
use crate::db::{apply_migrations, pending_migrations};

use crate::server::error::ServerError;
use crate::server::layer_settings::db_settings;

/// Applies pending migrations and writes their names to `out`. With `dry_run`, it only writes their SQL.
///
/// # Errors
/// [`ServerError`].
pub fn migrate(
    settings: &Settings,
    dry_run: bool,
    out: &mut impl Write,
) -> Result<(), ServerError> {
    let settings = db_settings(settings)?;
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
