//! The subcommands, one file each.

mod admin;
mod advertise;
mod devices;
mod documents;
mod identity;
mod messages;
mod names;
mod permissions;
mod request;
mod status;

use crate::doctor;
use crate::error::{CommandError, Exit};
use crate::local::output::Printer;
use crate::options::{Command, CommandLine};

pub(crate) async fn run(options: &CommandLine) -> Result<Exit, CommandError> {
    let general = &options.general;
    let output = Printer::new(general.json, general.human);
    match &options.command {
        Command::Keygen => identity::generate(general, output),
        Command::Identity => identity::show(general, output),
        Command::Send(send) => messages::send::run(general, send, output).await,
        Command::Listen(listen) => messages::listen::run(general, listen, output).await,
        Command::List(list) => messages::list::run(general, list, output).await,
        Command::Ack(ack) => messages::ack::run(general, ack, output).await,
        Command::Permissions(permissions) => permissions::run(general, permissions, output).await,
        Command::Devices(devices) => devices::run(general, devices, output).await,
        Command::Names(names) => names::run(names, output),
        Command::Request(request) => request::run(general, request, output).await,
        Command::Quote(quote) => messages::quote::run(general, quote, output).await,
        Command::Advertise(advertise) => advertise::run(general, advertise, output).await,
        Command::Revoke(revoke) => advertise::revoke(general, revoke, output).await,
        Command::Advertisements(asked) => advertise::list(general, asked, output).await,
        Command::Admin(admin) => admin::run(general, admin, output).await,
        Command::Status(status) => status::run(general, status, output).await,
        Command::Doctor(doctor) => return doctor::run(general, doctor, output).await,
        Command::Document(document) => documents::print(document),
    }?;
    Ok(Exit::Done)
}
