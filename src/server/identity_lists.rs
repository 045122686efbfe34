//! `messagebox-server block`, `unblock`, `allow`, `disallow` and `lists`; and the look at these lists while the server runs.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::authsocket::AuthSocket;
use crate::config::Settings;
use crate::db::{DatabaseUrl, DbHandle, DbSettings, listed_identities, set_listed};
use crate::http::end_refused;
use crate::ids::IdentityKey;
use crate::model::IdentityList;
use crate::socket::SocketTable;

use super::ServerError;
use super::layer_settings::db_settings;

/// How often the lists are looked at: other servers and commands change them too.
const INTERVAL: Duration = Duration::from_secs(1);

/// Looks behind a change in which sockets are looked at too: one that was being opened meanwhile is in the table by then.
const LATE_LOOKS: u8 = 3;

/// Identities that are read at a time.
const PAGE: i64 = 1_000;

/// Follows the lists, and ends the sockets of those that are not served any more.
pub(super) async fn follow(db: DbHandle, sockets: Arc<SocketTable<AuthSocket>>) {
    let mut looks = LATE_LOOKS;
    let mut is_failing = false;
    loop {
        match db.refresh_identity_lists().await {
            Ok(is_changed) => {
                is_failing = false;
                if is_changed {
                    looks = LATE_LOOKS;
                }
            }
            Err(error) => {
                if !is_failing {
                    log::warn!("the lists of identities stay as they were: {error}");
                }
                is_failing = true;
            }
        }
        if looks > 0 {
            looks -= 1;
            end_refused(&sockets, &db);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn database(settings: &Settings) -> Result<DbSettings, ServerError> {
    let url = DatabaseUrl::parse(&settings.database_url())?;
    Ok(db_settings(settings, url))
}

/// Puts identities on a list, or takes them off, and writes to `out` what was done. Servers may run, and follow within seconds.
///
/// # Errors
/// [`ServerError`]. Then nothing is changed.
pub fn change_list(
    settings: &Settings,
    list: IdentityList,
    identities: &[IdentityKey],
    listed: bool,
    out: &mut impl Write,
) -> Result<(), ServerError> {
    let changed = set_listed(&database(settings)?, list, identities, listed)?;
    for identity in identities {
        let done = match (changed.contains(identity), listed) {
            (true, true) => "now on",
            (true, false) => "taken off",
            (false, true) => "already on",
            (false, false) => "not on",
        };
        writeln!(out, "{identity}: {done} the {} list", list.word())
            .map_err(ServerError::Broken)?;
    }
    Ok(())
}

/// Writes both lists to `out`: a line for each identity, with the list's name before it, and the time since when it is there.
///
/// # Errors
/// [`ServerError`].
pub fn print_lists(settings: &Settings, out: &mut impl Write) -> Result<(), ServerError> {
    let settings = database(settings)?;
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
