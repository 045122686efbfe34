//! `completions` and `man`.

use clap::CommandFactory as _;
use messagebox::documents::{Document, DocumentError};

use crate::error::{CommandError, Exit};
use crate::local::output::write;
use crate::options::CommandLine;

pub(crate) fn print(document: &Document) -> Result<(), CommandError> {
    let text = document
        .render(CommandLine::command())
        .map_err(|error| match error {
            DocumentError::NoSubcommand(_) => CommandError::new(Exit::Usage, error.to_string()),
            DocumentError::Io(error) => error.into(),
        })?;
    write(&text)
}
