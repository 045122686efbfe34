//! `keygen` and `identity`: the key, and its public part.

use serde_json::json;

use crate::error::CommandError;
use crate::key_file;
use crate::options::General;
use crate::output::{Output, printable};

/// Makes a key.
pub(crate) fn generate(general: &General, output: Output) -> Result<(), CommandError> {
    let path = key_file::path(general.key_file.as_deref())?;
    let key = key_file::generate(&path)?.identity_key().to_hex();
    let file = path.display().to_string();
    output.print(&json!({ "identityKey": key, "keyFile": file }), || {
        let file = printable(&file);
        format!(
            "identity key  {key}\nkept in       {file}\n\nOthers send to the identity key. Keep the file, and keep it secret.\n"
        )
    })
}

/// Prints the public part of the user's key.
pub(crate) fn show(general: &General, output: Output) -> Result<(), CommandError> {
    let identity = key_file::load(general.key_file.as_deref())?;
    let key = identity.identity_key().to_hex();
    output.print(&json!({ "identityKey": key }), || key.clone())
}
