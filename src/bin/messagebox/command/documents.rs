//! `completions` and `man`: made from the command line's own description.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::error::{CommandError, Exit};
use crate::options::Options;
use crate::output::write;

/// Prints what a shell completes from.
pub(crate) fn completions(shell: Shell) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Options::command(), "messagebox", &mut script);
    write(&script)
}

/// Prints the manual page of the command, or of a subcommand.
pub(crate) fn manual(subcommand: Option<&str>) -> Result<(), CommandError> {
    let mut command = Options::command();
    command.build();
    let command = match subcommand {
        None => command,
        Some(name) => {
            let found = command.find_subcommand(name).cloned();
            found.ok_or_else(|| {
                CommandError::new(Exit::Usage, format!("there is no subcommand {name}"))
                    .advise("`messagebox --help` lists them.")
            })?
        }
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    write(&page)
}
