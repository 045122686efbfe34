//! `messagebox`: sends, lists, acknowledges and receives messages, from a terminal or a script.

mod admin_options;
mod administration;
mod command;
mod doctor;
mod error;
mod local;
mod options;

use std::process::ExitCode;

use clap::Parser as _;

use error::{CommandError, Exit};
use options::CommandLine;

fn main() -> ExitCode {
    // A usage mistake exits with code 2.
    let options = CommandLine::parse();
    let result = run(&options);
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            local::output::report(&error);
            error.exit.into()
        }
    }
}

fn run(options: &CommandLine) -> Result<Exit, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(command::run(options));
    // A pending name lookup cannot be cancelled.
    runtime.shutdown_background();
    result
}
