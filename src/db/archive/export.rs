//! Writes an archive.

use std::io::Write;

use crate::db::engine::connect::connector::by_hand;
use crate::db::engine::connect::settings::DbSettings;
use crate::db::engine::connect::url::DatabaseUrl;
use crate::db::engine::dialect::be_patient;
use crate::db::engine::migrations;
use crate::db::engine::migrations::refuse_newer;
use crate::db::engine::transaction::snapshot;

use super::ArchiveError;
use super::format::ArchiveWriter;
use super::last_ids::LastIds;
use super::rows::{RowCounts, read_all};

/// Writes a snapshot of the whole database to `out` and returns the row counts. Servers may keep running. Memory holds
/// a few megabytes of rows at a time, or one larger row.
///
/// # Errors
/// [`ArchiveError`]. The partial output lacks its last line, so it cannot be imported.
pub fn export_archive(
    settings: &DbSettings,
    out: &mut dyn Write,
) -> Result<RowCounts, ArchiveError> {
    if let DatabaseUrl::Sqlite(path) = &settings.url
        && !path.exists()
    {
        return Err(ArchiveError::NoDatabase(settings.url.to_string()));
    }
    let mut connection = by_hand(settings)?;
    if !migrations::pending(&mut connection)?.is_empty() {
        return Err(ArchiveError::NotMigrated);
    }
    refuse_newer(&mut connection).map_err(crate::db::DbError::Unavailable)?;
    be_patient(&mut connection)?;
    snapshot(&mut connection, |connection| {
        let mut writer = ArchiveWriter::begin(out, LastIds::read(connection)?)?;
        read_all(connection, |row| writer.row(&row))?;
        writer.end()
    })
}
