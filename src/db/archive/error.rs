//! Errors of export and import, with advice for the operator.

use thiserror::Error;

use crate::db::DbError;

/// Why an export or an import failed.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The SQLite file does not exist.
    #[error("there is no database at {0}: set DATABASE_URL to the database to export")]
    NoDatabase(String),
    /// The database has pending migrations, so columns of the archive are missing.
    #[error("the database has pending migrations: run `messagebox-server migrate`, then export")]
    NotMigrated,
    /// The target database has rows. An import never merges.
    #[error(
        "the database is not empty: its table {0} has rows. Import into a new one: set DATABASE_URL to another, or drop \
         this one and create it anew"
    )]
    NotEmpty(&'static str),
    /// The first line is not an archive header.
    #[error("this is not an archive of `messagebox-server export`")]
    Foreign,
    /// The header names a format that this binary does not support.
    #[error(
        "this binary does not support archive format {0}: import with the version that exported it, or a newer one"
    )]
    Unknown(String),
    /// The last line is missing.
    #[error(
        "the archive is truncated after line {0}: copy it again, or export again; nothing was imported"
    )]
    CutOff(u64),
    /// A line is not valid JSON for a row.
    #[error(
        "line {line} of the archive is damaged (at column {column}): copy it again, or export again; nothing was imported"
    )]
    Damaged {
        line: u64,
        /// Byte position in the line, counted from 1; 0 means the whole line.
        column: usize,
    },
    /// The checksum or the row counts do not match.
    #[error(
        "the archive does not match its checksum or its row counts: copy it again, or export again; nothing was imported"
    )]
    Changed,
    #[error("cannot read the archive: {0}")]
    Read(std::io::Error),
    #[error("cannot write the archive: {0}")]
    Write(std::io::Error),
    /// The database rejected a row at or shortly before this line.
    #[error(
        "the database rejected a row of the archive, at line {line} or shortly before it: {cause}; nothing was imported"
    )]
    Refused { line: u64, cause: DbError },
    /// The database cannot be opened or used.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl From<diesel::result::Error> for ArchiveError {
    fn from(error: diesel::result::Error) -> Self {
        DbError::from(error).into()
    }
}
