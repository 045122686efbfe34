//! `advertise`, `revoke` and `advertisements`: hosts of identities on the overlay network.

use messagebox::overlay::{Advertisement, Advertiser, Overlay, Standing};
use serde_json::{Value, json};

use crate::error::{CommandError, Exit};
use crate::local::key_file;
use crate::local::output::{Printer, note, printable};
use crate::options::{Advertise, Advertisements, General, OverlayServices, Revoke, Wallet};

fn overlay(general: &General, services: &OverlayServices) -> Overlay {
    Overlay::new(services.network, &services.trackers, general.timeout)
}

fn advertiser(general: &General, wallet: &Wallet, services: &OverlayServices) -> Advertiser {
    let overlay = overlay(general, services);
    Advertiser::new("messagebox", &wallet.url, overlay, general.timeout)
}

fn document(advertisement: &Advertisement) -> Value {
    json!({ "host": advertisement.host, "outpoint": advertisement.outpoint() })
}

fn documents(advertisements: &[Advertisement]) -> Vec<Value> {
    advertisements.iter().map(document).collect()
}

/// One line per revoked advertisement.
fn lines(revoked: &[Advertisement]) -> String {
    let line = |advertisement: &Advertisement| {
        format!("revoked           {}\n", printable(&advertisement.host))
    };
    revoked.iter().map(line).collect()
}

/// Notes advertisements that remain because the wallet cannot revoke them.
fn note_foreign(foreign: &[Advertisement]) {
    for advertisement in foreign {
        note(&format!(
            "{} is also advertised, by an output that this wallet does not have",
            advertisement.host
        ));
    }
}

pub(crate) async fn run(
    general: &General,
    command: &Advertise,
    output: Printer,
) -> Result<(), CommandError> {
    let advertiser = advertiser(general, &command.wallet, &command.overlay);
    let done = advertiser.advertise(&command.host).await?;
    note_foreign(&done.foreign);
    let result = json!({
        "identityKey": done.identity_key.to_hex(),
        "host": command.host.to_string(),
        "txid": done.txid,
        "standing": done.standing.to_string(),
        "revoked": documents(&done.revoked),
        "foreign": documents(&done.foreign),
    });
    output.print(&result, || {
        let how = match done.standing {
            Standing::Created => "advertised",
            Standing::Resubmitted => "advertised again",
            Standing::Unchanged => "unchanged",
        };
        let (key, txid) = (done.identity_key, &done.txid);
        let revoked = lines(&done.revoked);
        let (host, txid) = (printable(&command.host.to_string()), printable(txid));
        format!("{how:<16}  {host}\nidentity key      {key}\ntransaction       {txid}\n{revoked}")
    })
}

pub(crate) async fn revoke(
    general: &General,
    command: &Revoke,
    output: Printer,
) -> Result<(), CommandError> {
    let advertiser = advertiser(general, &command.wallet, &command.overlay);
    let done = advertiser.revoke(command.host.as_deref()).await?;
    note_foreign(&done.foreign);
    if done.revoked.is_empty() && !done.foreign.is_empty() {
        let error = CommandError::new(Exit::Failed, "nothing was revoked");
        return Err(error.advise("Revoke with the wallet that advertised it."));
    }
    let result = json!({
        "identityKey": done.identity_key.to_hex(),
        "txid": done.txid,
        "revoked": documents(&done.revoked),
        "foreign": documents(&done.foreign),
    });
    output.print(&result, || {
        let Some(txid) = &done.txid else {
            return String::from("nothing is advertised");
        };
        let revoked = lines(&done.revoked);
        format!("{revoked}transaction       {}\n", printable(txid))
    })
}

pub(crate) async fn list(
    general: &General,
    command: &Advertisements,
    output: Printer,
) -> Result<(), CommandError> {
    let identity = match &command.identity {
        Some(identity) => identity.key()?,
        None => key_file::load(general.key_file.as_deref())?.identity_key(),
    };
    let overlay = overlay(general, &command.overlay);
    let found = overlay.advertisements(&identity).await?;
    let result = json!({
        "identityKey": identity.to_hex(),
        "advertisements": documents(&found),
    });
    output.print(&result, || {
        if found.is_empty() {
            return String::from("nothing is advertised");
        }
        let line = |advertisement: &Advertisement| printable(&advertisement.host) + "\n";
        found.iter().map(line).collect()
    })
}
