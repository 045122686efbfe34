//! `messagebox-server export` and `import`: the whole content of a database, from one to another.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::config::Settings;
use crate::db::{self, ArchiveError, DbSettings, RowCounts};

use crate::server::error::ServerError;
use crate::server::layer_settings::db_settings;

/// File mode: only the owner may read the archive.
const ONLY_OWNER: u32 = 0o600;

/// Writes an archive to a new file, or to standard output. Gives its row counts.
///
/// # Errors
/// [`ServerError`]; then the file is removed.
pub fn export_archive(settings: &Settings, file: Option<&Path>) -> Result<RowCounts, ServerError> {
    let database = db_settings(settings)?;
    let Some(path) = file else {
        let mut out = BufWriter::new(io::stdout().lock());
        return Ok(db::export_archive(&database, &mut out)?);
    };
    let failed = |cause| ServerError::File {
        path: path.display().to_string(),
        cause,
    };
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(ONLY_OWNER);
    let file = options.open(path).map_err(failed)?;
    let exported = export_to(&database, &file);
    if exported.is_err() {
        std::fs::remove_file(path).map_err(failed)?;
    }
    Ok(exported?)
}

fn export_to(database: &DbSettings, mut file: &File) -> Result<RowCounts, ArchiveError> {
    let mut out = BufWriter::new(&mut file);
    let exported = db::export_archive(database, &mut out)?;
    out.flush().map_err(ArchiveError::Write)?;
    drop(out);
    file.sync_all().map_err(ArchiveError::Write)?;
    Ok(exported)
}

/// Imports an archive from a file, or from standard input, into an empty database. Gives its row counts.
///
/// # Errors
/// [`ServerError`]; then nothing is imported.
pub fn import_archive(settings: &Settings, file: Option<&Path>) -> Result<RowCounts, ServerError> {
    let database = db_settings(settings)?;
    let Some(path) = file else {
        return Ok(db::import_archive(&database, &mut io::stdin().lock())?);
    };
    let file = File::open(path).map_err(|cause| ServerError::File {
        path: path.display().to_string(),
        cause,
    })?;
    Ok(db::import_archive(&database, &mut BufReader::new(file))?)
}
