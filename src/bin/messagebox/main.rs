//! `messagebox`: sends, lists, acknowledges and listens to messages, from a terminal or a script.

mod admin_options;
mod administration;
mod command;
mod doctor;
mod error;
mod expiry;
mod folder;
mod key_file;
mod message;
mod names;
mod options;
mod output;
mod party;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;

use error::{CommandError, Exit};
use options::Options;

fn main() -> ExitCode {
    // A usage mistake ends the process with code 2.
    let options = Options::parse();
    let result = run(&options);
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::report(&error);
            error.exit.into()
        }
    }
}

fn run(options: &Options) -> Result<Exit, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(command::run(options));
    // A look-up of a name cannot be broken off.
    runtime.shutdown_background();
    result
}
