//! `doctor`: checks a server from outside, from the network up, and says what to do about what it finds.

mod latency;
mod network;
mod protocol;
mod report;

use messagebox::auth::Identity;

use crate::error::{CommandError, Exit};
use crate::key_file;
use crate::options::{Doctor, General};
use crate::output::Output;
use crate::party::Party;

use report::{Check, Report};

/// Checks, prints, and gives the exit code of the worst that was found.
pub(crate) async fn run(
    general: &General,
    doctor: &Doctor,
    output: Output,
) -> Result<Exit, CommandError> {
    let mut report = Report::new(general, output);
    // Any key will do; the user's own also finds what the server has against it.
    let own = key_file::load_if_any(general.key_file.as_deref())?;
    let whose = if own.is_some() {
        "your key"
    } else {
        "a key made for this check"
    };
    let party = Party::with(own.unwrap_or_else(Identity::random), general)?;
    report.add(Check::ok(
        "command",
        format!("version {}, {whose}", env!("CARGO_PKG_VERSION")),
    ))?;
    examine(general, doctor, &party, &mut report).await?;
    report.finish()
}

/// Stops where what follows could only fail for the same reason.
async fn examine(
    general: &General,
    doctor: &Doctor,
    party: &Party,
    report: &mut Report,
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
    let said = info.as_ref().map(|(_, info)| info);
    report.add(network::version(&party.connector, said).await)?;
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
