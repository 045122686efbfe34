//! `messagebox-server block`, `unblock`, `allow`, `disallow` and `lists`. A running server follows the lists.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::authsocket::AuthSocketSession;
use crate::config::Settings;
use crate::db::{DbHandle, listed_identities, set_listed};
use crate::http::end_refused;
use crate::ids::IdentityKey;
use crate::model::IdentityList;
use crate::socket::SocketTable;

use crate::server::error::ServerError;
use crate::server::layer_settings::db_settings;

/// How often a server reads the lists, which other servers and commands change too.
const INTERVAL: Duration = Duration::from_secs(1);

/// Reads after a change that check sockets too: a socket that was being opened is in the table by then.
const LATE_CHECKS: u8 = 3;

const PAGE: i64 = 1_000;

/// Follows the lists, and closes the sockets of identities that are no longer served.
pub(crate) async fn follow(db: DbHandle, sockets: Arc<SocketTable<AuthSocketSession>>) {
    let mut checks = LATE_CHECKS;
    let mut is_failing = false;
    loop {
        match db.refresh_identity_lists().await {
            Ok(is_changed) => {
                is_failing = false;
                if is_changed {
                    checks = LATE_CHECKS;
                }
            }
            Err(error) => {
                if !is_failing {
                    log::warn!(
                        "cannot read the lists of identities, the last ones stay in effect: {error}"
                    );
                }
                is_failing = true;
            }
        }
        if checks > 0 {
            checks -= 1;
            end_refused(&sockets, &db);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Puts identities on a list, or takes them off, and writes the outcome to `out`. Running servers follow within seconds.
///
/// # Errors
/// [`ServerError`]; then nothing is changed.
pub fn change_list(
    settings: &Settings,
    list: IdentityList,
    identities: &[IdentityKey],
    listed: bool,
    out: &mut impl Write,
) -> Result<(), ServerError> {
    let changed = set_listed(&db_settings(settings)?, list, identities, listed)?;
    for identity in identities {
        let outcome = match (changed.contains(identity), listed) {
            (true, true) => "now on",
            (true, false) => "taken off",
            (false, true) => "already on",
            (false, false) => "not on",
        };
        writeln!(out, "{identity}: {outcome} the {} list", list.word())
            .map_err(ServerError::Broken)?;
    }
    Ok(())
}

/// Writes both lists to `out`, a line per identity: the list, the identity, and the time since when it is listed.
///
/// # Errors
/// [`ServerError`].
pub fn print_lists(settings: &Settings, out: &mut impl Write) -> Result<(), ServerError> {
    let settings = db_settings(settings)?;
    for list in IdentityList::ALL {
        let mut after = String::new();
        loop {
            let page = listed_identities(&settings, list, &after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = last.identity.to_hex();
            for listed in page {
                writeln!(out, "{} {} {}", list.word(), listed.identity, listed.since)
                    .map_err(ServerError::Broken)?;
            }
        }
    }
    Ok(())
}
