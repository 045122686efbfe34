//! Why an archive was not written or read, and what an operator can do about it.

use thiserror::Error;

use crate::db::DbError;

/// Why nothing was exported, or nothing imported.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// There is no such SQLite file.
    #[error("there is no database at {0}: name the one that is to be exported (DATABASE_URL)")]
    NoDatabase(String),
    /// The tables lack what an archive has.
    #[error(
        "the tables are not up to date: bring them there with `messagebox-server migrate`, then export"
    )]
    NotMigrated,
    /// What was to be imported would be mixed with what is there.
    #[error(
        "the database is not empty: its table {0} has rows. Import into a new one: name another (DATABASE_URL), or drop \
         this one and create it anew"
    )]
    NotEmpty(&'static str),
    /// The first line is not that of an archive.
    #[error("this is not an archive of `messagebox-server export`")]
    Foreign,
    /// The first line names a form of archive that this binary does not know.
    #[error(
        "this archive has form {0}, which this binary does not know: import it with the binary that made it, or a newer one"
    )]
    Unknown(String),
    /// It ends without its last line.
    #[error(
        "the archive is cut off behind line {0}: copy it again, or export again; nothing was imported"
    )]
    CutOff(u64),
    /// A line is not a row as this server writes it.
    #[error(
        "line {line} of the archive is damaged (at column {column}): copy it again, or export again; nothing was imported"
    )]
    Damaged {
        /// Counted from 1.
        line: u64,
        /// In bytes, counted from 1; 0: the line as a whole.
        column: usize,
    },
    /// Lines were changed, lost or added.
    #[error(
        "the archive is not what was exported, its checksum or its counts differ: copy it again, or export again; nothing was imported"
    )]
    Changed,
    /// The archive cannot be read.
    #[error("cannot read the archive: {0}")]
    Read(std::io::Error),
    /// The archive cannot be written.
    #[error("cannot write the archive: {0}")]
    Write(std::io::Error),
    /// The database does not take one of the rows up to this line.
    #[error(
        "the database does not take a row of the archive, at line {line} or shortly before it: {cause}; nothing was imported"
    )]
    Refused {
        /// Counted from 1.
        line: u64,
        /// What the database says.
        cause: DbError,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl From<diesel::result::Error> for ArchiveError {
    fn from(error: diesel::result::Error) -> Self {
        DbError::from(error).into()
    }
}
