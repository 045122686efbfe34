//! `messagebox`: sends, lists, acknowledges and listens to messages, from a terminal or a script.

mod command;
mod doctor;
mod error;
mod key_file;
mod message;
mod options;
mod output;
mod party;
mod signals;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use error::{CommandError, Exit};
use options::Options;
use output::printable;

fn main() -> ExitCode {
    // A usage mistake ends the process with code 2.
    let options = Options::parse();
    let result = run(&options);
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            // Nobody is left to tell if standard error is closed.
            let mut stderr = std::io::stderr();
            let _ = writeln!(stderr, "messagebox: {}", printable(&error.what));
            if let Some(advice) = &error.advice {
                let _ = writeln!(stderr, "  {}", printable(advice));
            }
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
