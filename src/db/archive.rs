//! Everything that the server keeps, as a stream of lines of JSON: the way from one database to another.
//!
//! The first line says what this is, then there is a line for each row, and the last one has their counts and a checksum
//! of all lines before it, so that an archive that was cut off is never taken for a whole one. Nothing in it says which
//! database it came from: the same rows make the same bytes.

mod error;
mod export;
mod import;
mod last_ids;
mod lines;
mod rows;

pub use error::ArchiveError;
pub use export::export_archive;
pub use import::import_archive;
pub use rows::RowCounts;

#[cfg(test)]
mod tests;
