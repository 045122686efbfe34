//! The server: `messagebox-server`.

use std::io::Write as _;
use std::process::ExitCode;

use messagebox::config::{Cli, ConfigError, Loaded, Settings, Task, Variables, load, show};
use messagebox::db::RowCounts;
use messagebox::documents::Document;
use messagebox::model::IdentityList::{Allow, Block};
use messagebox::server::{self, Server, ServerError};
use messagebox::telemetry;

/// The system's allocator keeps the memory of a peak. This one returns it within seconds.
#[cfg(all(target_os = "linux", feature = "jemalloc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The configuration is invalid.
const EXIT_CONFIG: u8 = 2;

/// A second signal interrupted the shutdown.
const EXIT_INTERRUPTED: u8 = 3;

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(message) => message.exit(),
    };
    if let Some(Task::Document(document)) = &cli.task {
        return print_document(document);
    }
    let (loaded, variables) = match configuration(&cli) {
        Ok(found) => found,
        Err(error) => return fail(&error, EXIT_CONFIG),
    };
    if cli.check_config {
        return check_config(&loaded, &variables);
    }
    let settings = loaded.settings;
    telemetry::start(settings.log_filter(), settings.log.format);
    telemetry::set_access_log(settings.log.access);
    if let Some(task) = &cli.task {
        return run_task(task, &settings);
    }
    if let Some(after) = cli.export_payments {
        return export_payments(&settings, after);
    }
    let served = actix_web::rt::System::new().block_on(async {
        let served = Server::start(&settings)?
            .reloaded_by(move || Ok(configuration(&cli)?.0.settings))
            .run()
            .await;
        if let Err(error @ ServerError::Interrupted(_)) = &served {
            // Exit at once: leaving this block would wait for busy threads.
            fail(error, EXIT_INTERRUPTED);
            std::process::exit(EXIT_INTERRUPTED.into());
        }
        served
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail_to_serve(&error),
    }
}

/// Reads the environment and the files.
fn configuration(cli: &Cli) -> Result<(Loaded, Variables), ConfigError> {
    let variables = Variables::read()?;
    let folder = cli.config_folder(&variables.texts);
    let loaded = load(&folder, &variables.texts, &cli.settings())?;
    Ok((loaded, variables))
}

fn fail_to_serve(error: &ServerError) -> ExitCode {
    let code = if error.is_of_configuration() {
        EXIT_CONFIG
    } else {
        1
    };
    fail(error, code)
}

/// Does one task with the settings, without serving.
fn run_task(task: &Task, settings: &Settings) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let done = match task {
        Task::Migrate { dry_run } => server::migrate(settings, *dry_run, &mut out),
        Task::Export { file } => {
            return moved(
                "exported",
                server::export_archive(settings, file.as_deref()),
            );
        }
        Task::Import { file } => {
            return moved(
                "imported",
                server::import_archive(settings, file.as_deref()),
            );
        }
        Task::AcceptDatabase => server::accept_database(settings, &mut out),
        Task::Compact { dry_run } => server::compact(settings, *dry_run, &mut out),
        Task::Block(whom) => server::change_list(settings, Block, &whom.keys, true, &mut out),
        Task::Unblock(whom) => server::change_list(settings, Block, &whom.keys, false, &mut out),
        Task::Allow(whom) => server::change_list(settings, Allow, &whom.keys, true, &mut out),
        Task::Disallow(whom) => server::change_list(settings, Allow, &whom.keys, false, &mut out),
        Task::Lists => server::print_lists(settings, &mut out),
        Task::Document(document) => return print_document(document),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

/// Prints to standard error, because the archive may go to standard output.
fn moved(what: &str, rows: Result<RowCounts, ServerError>) -> ExitCode {
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => return fail(&error, 1),
    };
    // A closed standard error cannot report anything.
    let _ = writeln!(
        std::io::stderr(),
        "{what} {} rows: {} messages in {} boxes, {} permissions, {} fees, {} devices, {} payments with {} inputs, {} payments of other servers, {} identities on lists",
        rows.total(),
        rows.messages,
        rows.boxes,
        rows.permissions,
        rows.fees,
        rows.devices,
        rows.payments,
        rows.payment_inputs,
        rows.payment_replays,
        rows.identity_lists,
    );
    ExitCode::SUCCESS
}

fn export_payments(settings: &Settings, after: i64) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let exported =
        actix_web::rt::System::new().block_on(server::export_payments(settings, after, &mut out));
    match exported {
        Ok(count) => {
            log::info!("{count} payments");
            ExitCode::SUCCESS
        }
        Err(ServerError::Config(error)) => fail(&error, EXIT_CONFIG),
        Err(error) => fail(&error, 1),
    }
}

/// Finds everything that would prevent a start, and creates nothing.
fn check_config(loaded: &Loaded, variables: &Variables) -> ExitCode {
    let warnings = match server::check(&loaded.settings) {
        Ok(warnings) => warnings,
        Err(error) => return fail_to_serve(&error),
    };
    for warning in warnings {
        // A closed standard error cannot report anything.
        let _ = writeln!(std::io::stderr(), "messagebox-server: warning: {warning}");
    }
    match show(loaded, &variables.of_file) {
        Ok(text) => print(text.as_bytes()),
        Err(error) => fail(&error, EXIT_CONFIG),
    }
}

fn print_document(document: &Document) -> ExitCode {
    match document.render(Cli::described()) {
        Ok(text) => print(&text),
        Err(error) => fail(&error, EXIT_CONFIG),
    }
}

fn print(text: &[u8]) -> ExitCode {
    match std::io::stdout().write_all(text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn fail(error: &dyn std::error::Error, code: u8) -> ExitCode {
    // A closed standard error cannot report anything.
    let _ = writeln!(std::io::stderr(), "messagebox-server: {error}");
    ExitCode::from(code)
}
