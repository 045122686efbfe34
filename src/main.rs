//! The default binary: `messagebox-server`.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use messagebox::config::{Cli, ConfigError, Settings, Task, load};
use messagebox::db::RowCounts;
use messagebox::documents::Document;
use messagebox::server::{Server, ServerError};
use messagebox::telemetry;

/// The system's allocator keeps what a crowd of sockets has taken; this one gives it back within seconds.
#[cfg(all(target_os = "linux", feature = "jemalloc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The configuration cannot be used.
const EXIT_CONFIG: u8 = 2;

/// A second signal came while the server went down.
const EXIT_INTERRUPTED: u8 = 3;

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(message) => message.exit(),
    };
    if let Some(Task::Document(document)) = &cli.task {
        return print_document(document);
    }
    // A variable that is no text is none of ours.
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let variables = std::env::vars_os().filter_map(text).collect();
    let settings = match load(&cli.config_dir, &variables, &cli.settings()) {
        Ok(settings) => settings,
        Err(error) => return fail(&error, EXIT_CONFIG),
    };
    if cli.check_config {
        return print(&settings);
    }
    telemetry::start(settings.log_filter(), settings.log.format);
    match cli.task {
        Some(Task::Migrate { dry_run }) => return migrate(&settings, dry_run),
        Some(Task::Export { file }) => return export(&settings, file.as_deref()),
        Some(Task::Import { file }) => return import(&settings, file.as_deref()),
        Some(Task::Compact { dry_run }) => return compact(&settings, dry_run),
        Some(Task::Document(_)) | None => {}
    }
    if let Some(after) = cli.export_payments {
        return export_payments(&settings, after);
    }
    let served = actix_web::rt::System::new().block_on(async {
        let served = Server::start(&settings)?.run().await;
        if let Err(error @ ServerError::Interrupted(_)) = &served {
            // At once: leaving this block would wait for threads that are at work.
            fail(error, EXIT_INTERRUPTED);
            std::process::exit(EXIT_INTERRUPTED.into());
        }
        served
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(ServerError::Config(error)) => fail(&error, EXIT_CONFIG),
        Err(ServerError::Push(error)) => fail(&error, EXIT_CONFIG),
        Err(error) => fail(&error, 1),
    }
}

fn export(settings: &Settings, file: Option<&Path>) -> ExitCode {
    match messagebox::server::export_archive(settings, file) {
        Ok(rows) => moved("exported", &rows),
        Err(error) => fail(&error, 1),
    }
}

fn import(settings: &Settings, file: Option<&Path>) -> ExitCode {
    match messagebox::server::import_archive(settings, file) {
        Ok(rows) => moved("imported", &rows),
        Err(error) => fail(&error, 1),
    }
}

/// On standard error: the archive itself may go to standard output.
fn moved(what: &str, rows: &RowCounts) -> ExitCode {
    let said = writeln!(
        std::io::stderr(),
        "{what} {} rows: {} messages in {} boxes, {} permissions, {} fees, {} devices, {} payments with {} inputs, {} payments of other servers",
        rows.total(),
        rows.messages,
        rows.boxes,
        rows.permissions,
        rows.fees,
        rows.devices,
        rows.payments,
        rows.payment_inputs,
        rows.payment_replays,
    );
    // Nobody is left to tell if standard error is closed.
    drop(said);
    ExitCode::SUCCESS
}

fn export_payments(settings: &Settings, after: i64) -> ExitCode {
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

fn migrate(settings: &Settings, dry_run: bool) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match messagebox::server::migrate(settings, dry_run, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

fn compact(settings: &Settings, dry_run: bool) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match messagebox::server::compact(settings, dry_run, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
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

/// Needs no configuration.
fn print_document(document: &Document) -> ExitCode {
    match document.render(Cli::described()) {
        Ok(text) => match std::io::stdout().write_all(&text) {
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
