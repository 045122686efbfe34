//! The default binary: `messagebox-server`.

use std::io::Write as _;
use std::process::ExitCode;

use messagebox::config::{Cli, ConfigError, Settings, load};
use messagebox::server::{Server, ServerError};
use messagebox::telemetry;

/// The configuration cannot be used.
const EXIT_CONFIG: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(message) => message.exit(),
    };
    let variables = std::env::vars().collect();
    let settings = match load(&cli.config_dir, &variables, &cli.settings()) {
        Ok(settings) => settings,
        Err(error) => return fail(&error, EXIT_CONFIG),
    };
    if cli.check_config {
        return print(&settings);
    }
    telemetry::start(settings.log_filter());
    if let Some(after) = cli.export_payments {
        return export(&settings, after);
    }
    let served =
        actix_web::rt::System::new().block_on(async { Server::start(&settings)?.run().await });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(ServerError::Config(error)) => fail(&error, EXIT_CONFIG),
        Err(ServerError::Push(error)) => fail(&error, EXIT_CONFIG),
        Err(error) => fail(&error, 1),
    }
}

fn export(settings: &Settings, after: i64) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let exported = actix_web::rt::System::new().block_on(messagebox::server::export_payments(
        settings, after, &mut out,
    ));
    match exported {
        Ok(count) => {
            log::info!("{count} payments");
            ExitCode::SUCCESS
        }
        Err(ServerError::Config(error)) => fail(&error, EXIT_CONFIG),
        Err(error) => fail(&error, 1),
    }
}

fn print(settings: &Settings) -> ExitCode {
    let shown = toml::to_string(settings)
        .map_err(|error| ConfigError::IdentityKey(error.to_string()))
        .and_then(|text| {
            // A malformed or missing key is found here too, but none is made.
            if settings.identity.private_key.is_some() || !settings.is_development() {
                messagebox::config::load_identity(settings)?;
            }
            Ok(text)
        });
    match shown {
        Ok(text) => match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => fail(&error, EXIT_CONFIG),
    }
}

fn fail(error: &dyn std::error::Error, code: u8) -> ExitCode {
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(std::io::stderr(), "messagebox-server: {error}");
    ExitCode::from(code)
}
