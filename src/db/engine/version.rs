//! Whether a database is one that this binary knows.

use super::any_connection::AnyConnection;
use super::migrations::unknown;

/// Says what is wrong with a database that a newer binary has brought up to date: this one would not know what its
/// tables mean.
pub(in crate::db) fn refuse_newer(connection: &mut AnyConnection) -> Result<(), String> {
    match unknown(connection).map_err(|error| error.to_string())? {
        None => Ok(()),
        Some(version) => Err(format!(
            "it is newer than this binary, which does not know its migration {version}: use the binary that made it, or a \
             newer one"
        )),
    }
}
