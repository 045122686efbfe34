//! Exports and imports the whole database as a stream of JSON lines, to move it from one engine to another.
//!
//! The first line is a header. One line follows for each row. The last line holds the row counts and a checksum of all
//! lines before it, so a truncated archive is never imported. The archive does not name its source engine: the same
//! rows give the same bytes.

mod error;
mod export;
mod format;
mod import;
mod last_ids;
mod rows;

pub use error::ArchiveError;
pub use export::export_archive;
pub use import::import_archive;
pub use rows::RowCounts;

#[cfg(test)]
mod tests;
