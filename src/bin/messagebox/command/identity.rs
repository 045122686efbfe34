//! `keygen` and `identity`: the user's key.

use serde_json::json;

use crate::error::CommandError;
use crate::local::key_file;
use crate::local::output::{Printer, printable};
use crate::options::General;

pub(crate) fn generate(general: &General, output: Printer) -> Result<(), CommandError> {
    let path = key_file::path(general.key_file.as_deref())?;
    let key = key_file::generate(&path)?.identity_key().to_hex();
    let file = path.display().to_string();
    output.print(&json!({ "identityKey": key, "keyFile": file }), || {
        let file = printable(&file);
        format!(
            "identity key  {key}\nsaved to      {file}\n\nOthers send messages to the identity key. Back up the file, and keep it secret.\n"
        )
    })
}

pub(crate) fn show(general: &General, output: Printer) -> Result<(), CommandError> {
    let identity = key_file::load(general.key_file.as_deref())?;
    let key = identity.identity_key().to_hex();
    output.print(&json!({ "identityKey": key }), || key.clone())
}
