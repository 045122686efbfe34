//! Reads an archive into an empty database.

use std::io::BufRead;

use diesel::result::Error;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::connect::connector::by_hand;
use crate::db::engine::connect::settings::DbSettings;
use crate::db::engine::dialect::be_patient;
use crate::db::engine::error::DbError;
use crate::db::engine::migrations;
use crate::db::engine::migrations::refuse_newer;
use crate::db::engine::transaction::{self, WriteLock};
use crate::db::store::payments::payment_replays;

use super::ArchiveError;
use super::format::ArchiveReader;
use super::last_ids::LastIds;
use super::rows::{InsertBatch, RowCounts, occupied, take_first_fees};

/// Maximum number of rows in one insert batch.
const MAX_ROWS: usize = 200;

/// Maximum size of a batch, in bytes, unless one row alone is larger. MySQL rejects statements larger than its
/// `max_allowed_packet`.
const MAX_BYTES: usize = 1024 * 1024;

/// Migrates an empty database and reads the archive into it, in one transaction. Returns the row counts.
///
/// # Errors
/// [`ArchiveError`].
pub fn import_archive(
    settings: &DbSettings,
    input: &mut dyn BufRead,
) -> Result<RowCounts, ArchiveError> {
    let (mut reader, last_ids) = ArchiveReader::begin(input)?;
    let mut connection = by_hand(settings)?;
    // Checked before anything changes. A missing table counts as empty.
    if let Ok(Some(table)) = occupied(&mut connection) {
        return Err(ArchiveError::NotEmpty(table));
    }
    refuse_newer(&mut connection).map_err(DbError::Unavailable)?;
    migrations::migrate(&mut connection)?;
    be_patient(&mut connection)?;
    last_ids.before_rows(&mut connection)?;
    let mut refusal = None;
    let imported = transaction::write(&mut connection, WriteLock::Held, |connection| {
        fill(connection, &mut reader, last_ids).map_err(|error| {
            refusal = Some(error);
            Error::RollbackTransaction
        })
    });
    imported.map_err(|failure| refusal.unwrap_or_else(|| failure.into_error().into()))
}

fn fill(
    connection: &mut AnyConnection,
    reader: &mut ArchiveReader<&mut dyn BufRead>,
    last_ids: LastIds,
) -> Result<RowCounts, ArchiveError> {
    if let Some(table) = occupied(connection)? {
        return Err(ArchiveError::NotEmpty(table));
    }
    if !take_first_fees(connection)? {
        return Err(ArchiveError::NotEmpty("server_fees"));
    }
    let mut batch = InsertBatch::default();
    let (mut rows, mut bytes) = (0, 0);
    loop {
        let row = reader.next()?;
        let length = reader.length();
        let full = rows == MAX_ROWS || (rows > 0 && bytes + length > MAX_BYTES);
        if full || row.is_none() {
            batch
                .insert(connection)
                .map_err(|error| ArchiveError::Refused {
                    line: reader.number(),
                    cause: error.into(),
                })?;
            (rows, bytes) = (0, 0);
        }
        let Some(row) = row else {
            last_ids.behind_rows(connection)?;
            payment_replays::note_all(connection)?;
            return Ok(reader.rows());
        };
        batch.push(row);
        rows += 1;
        bytes += length;
    }
}
