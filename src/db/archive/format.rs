//! The line format of an archive: writer and reader.

use std::io::{BufRead, Read as _, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::ArchiveError;
use super::last_ids::LastIds;
use super::rows::{ArchiveRow, RowCounts};

const FORMAT: u32 = 1;

/// Version of the column set. Increase it when a column is added to a table and to `rows.rs`.
const SCHEMA: u32 = 3;

/// The oldest column set that an import accepts: later columns may be missing.
const OLDEST_SCHEMA: u32 = 1;

/// Maximum length of the header line, in bytes. A longer first line is not an archive.
const MAX_FIRST_LINE: u64 = 4_096;

/// Maximum length of any other line, in bytes. JSON escaping can make a body six times larger.
const MAX_LINE: u64 = 1 << 30;

#[derive(Serialize, Deserialize)]
struct Header {
    messagebox_archive: Form,
    last_ids: LastIds,
}

#[derive(Serialize, Deserialize)]
struct Form {
    format: u32,
    schema: u32,
}

const FORM: Form = Form {
    format: FORMAT,
    schema: SCHEMA,
};

/// The part that archives of all formats share.
#[derive(Deserialize)]
struct AnyHeader {
    messagebox_archive: Form,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    end: Totals,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Totals {
    rows: RowCounts,
    /// Covers everything before this line.
    sha256: String,
}

pub(super) struct ArchiveWriter<W> {
    out: W,
    line: Vec<u8>,
    hash: Sha256,
    rows: RowCounts,
}

impl<W: Write> ArchiveWriter<W> {
    /// Writes the header line.
    pub(super) fn begin(out: W, last_ids: LastIds) -> Result<Self, ArchiveError> {
        let mut writer = Self {
            out,
            line: Vec::new(),
            hash: Sha256::new(),
            rows: RowCounts::default(),
        };
        writer.write(&Header {
            messagebox_archive: FORM,
            last_ids,
        })?;
        Ok(writer)
    }

    fn write(&mut self, line: &impl Serialize) -> Result<(), ArchiveError> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, line)
            .map_err(|error| ArchiveError::Write(error.into()))?;
        self.line.push(b'\n');
        self.hash.update(&self.line);
        self.out.write_all(&self.line).map_err(ArchiveError::Write)
    }

    pub(super) fn row(&mut self, row: &ArchiveRow) -> Result<(), ArchiveError> {
        self.rows.count(row);
        self.write(row)
    }

    /// Writes the last line.
    pub(super) fn end(mut self) -> Result<RowCounts, ArchiveError> {
        let sha256 = hex::encode(self.hash.finalize_reset());
        let rows = self.rows;
        self.write(&End {
            end: Totals { rows, sha256 },
        })?;
        self.out.flush().map_err(ArchiveError::Write)?;
        Ok(rows)
    }
}

pub(super) struct ArchiveReader<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
    hash: Sha256,
    rows: RowCounts,
}

impl<R: BufRead> ArchiveReader<R> {
    /// Reads the header line.
    pub(super) fn begin(input: R) -> Result<(Self, LastIds), ArchiveError> {
        let mut reader = Self {
            input,
            line: Vec::new(),
            number: 0,
            hash: Sha256::new(),
            rows: RowCounts::default(),
        };
        if !reader.next_line(MAX_FIRST_LINE)? {
            return Err(ArchiveError::Foreign);
        }
        let any: AnyHeader =
            serde_json::from_slice(&reader.line).map_err(|_| ArchiveError::Foreign)?;
        let Form { format, schema } = any.messagebox_archive;
        if format != FORMAT || !(OLDEST_SCHEMA..=SCHEMA).contains(&schema) {
            return Err(ArchiveError::Unknown(format!("{format}.{schema}")));
        }
        let header: Header = reader.parse()?;
        reader.hash.update(&reader.line);
        Ok((reader, header.last_ids))
    }

    /// Returns whether it read a complete line.
    fn next_line(&mut self, longest: u64) -> Result<bool, ArchiveError> {
        self.line.clear();
        self.number += 1;
        let mut bounded = self.input.by_ref().take(longest);
        let read = bounded.read_until(b'\n', &mut self.line);
        read.map_err(ArchiveError::Read)?;
        Ok(self.line.ends_with(b"\n"))
    }

    /// Reports the position only: the content of a line is private.
    fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ArchiveError> {
        serde_json::from_slice(&self.line).map_err(|error| ArchiveError::Damaged {
            line: self.number,
            column: error.column(),
        })
    }

    /// Returns the next row, or none after the last line has been verified.
    pub(super) fn next(&mut self) -> Result<Option<ArchiveRow>, ArchiveError> {
        if !self.next_line(MAX_LINE)? {
            return Err(ArchiveError::CutOff(self.number - 1));
        }
        if self.line.starts_with(br#"{"end":"#) {
            self.end()?;
            return Ok(None);
        }
        let row = self.parse()?;
        self.hash.update(&self.line);
        self.rows.count(&row);
        Ok(Some(row))
    }

    fn end(&mut self) -> Result<(), ArchiveError> {
        let End { end } = self.parse()?;
        let sha256 = hex::encode(self.hash.finalize_reset());
        let nothing_follows = !self.next_line(1)? && self.line.is_empty();
        if end.sha256 != sha256 || end.rows != self.rows || !nothing_follows {
            return Err(ArchiveError::Changed);
        }
        Ok(())
    }

    /// Counts of the rows read so far.
    pub(super) const fn rows(&self) -> RowCounts {
        self.rows
    }

    /// The number of the last line read.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Bytes of the last line read.
    pub(super) fn length(&self) -> usize {
        self.line.len()
    }
}
