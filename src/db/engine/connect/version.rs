//! Checks that this binary supports the database's schema.

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::migrations::unknown;

/// Returns an error text if a newer binary has migrated the database: this one does not know the new schema.
pub(crate) fn refuse_newer(connection: &mut AnyConnection) -> Result<(), String> {
    match unknown(connection).map_err(|error| error.to_string())? {
        None => Ok(()),
        Some(version) => Err(format!(
            "it is newer than this binary, which lacks its migration {version}: use the version that created it, or a \
             newer one"
        )),
    }
}
