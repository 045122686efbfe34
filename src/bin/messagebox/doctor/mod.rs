//! `doctor`: diagnoses a server from outside, from the network up, with advice for each finding.

mod latency;
mod network;
mod protocol;
mod report;

use messagebox::auth::Identity;

use crate::error::{CommandError, Exit};
use crate::local::key_file;
use crate::local::output::Printer;
use crate::local::party::Party;
use crate::options::{Doctor, General};

use report::{Check, Diagnosis};

/// Runs and prints all checks, and gives the exit code of the worst finding.
pub(crate) async fn run(
    general: &General,
    doctor: &Doctor,
    output: Printer,
) -> Result<Exit, CommandError> {
    let mut report = Diagnosis::new(general, output);
    // Any key will do; the user's own also shows whether the server refuses it.
    let own = key_file::load_if_any(general.key_file.as_deref())?;
    let whose = if own.is_some() {
        "your key"
    } else {
        "a key generated for this check"
    };
    let party = Party::with(own.unwrap_or_else(Identity::random), general)?;
    report.add(Check::ok(
        "command",
        format!("version {}, {whose}", env!("CARGO_PKG_VERSION")),
    ))?;
    examine(general, doctor, &party, &mut report).await?;
    report.finish()
}

/// Stops when further checks could only fail for the same reason.
async fn examine(
    general: &General,
    doctor: &Doctor,
    party: &Party,
    report: &mut Diagnosis,
) -> Result<(), CommandError> {
    let (check, addresses) = network::name(general).await;
    report.add(check)?;
    if addresses.is_empty() || !report.add(network::connection(general, &addresses).await)? {
        return Ok(());
    }
    let (check, health) = network::http(general, &party.connector).await;
    if !report.add(check)? {
        return Ok(());
    }
    if let Some(health) = health {
        report.add(network::health(&health))?;
        report.add(network::readiness(&party.connector).await)?;
        report.add(network::clock(&health))?;
    }
    let info = network::info(&party.connector).await;
    let known = info.as_ref().map(|(_, info)| info);
    report.add(network::version(&party.connector, known).await)?;
    if let Some((check, info)) = info {
        report.add(check)?;
        report.info = Some(info);
    }
    let (check, key) = protocol::handshake(party).await;
    report.identity_key = key.map(|key| key.to_hex());
    if !report.add(check)? {
        return Ok(());
    }
    let (check, times) = protocol::requests(party, doctor.requests).await;
    report.latency = times;
    report.add(check)?;
    protocol::sockets(general, party, report).await
}
