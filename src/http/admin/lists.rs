//! The operator's block list and allow list of identities.

use serde::Serialize;
use utoipa::ToSchema;

use crate::authsocket::AuthSocketSession;
use crate::db::DbHandle;
use crate::http::error::ApiError;
use crate::http::reply::RouteReply;
use crate::model::{IdentityList, ListedIdentity};
use crate::socket::SocketTable;

use super::request::{AdminRequest, cut, key, one_more};
use super::state::{AdminState, close_sockets, database_error};

/// Identities on a list, ordered by key.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ListedIdentities {
    /// Either `block` or `allow`.
    list: &'static str,
    /// Keys in full: a list of shortened keys is of no use.
    identities: Vec<ListedIdentityItem>,
    /// The `after` of the next page; null on the last page.
    next: Option<String>,
}

/// An identity on a list.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ListedIdentityItem {
    identity: String,
    /// When it was added (ISO 8601).
    since: String,
}

/// The lists' state for an identity after a change.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(in crate::http) struct ListingChanged {
    identity: String,
    /// Whether the request changed anything.
    changed: bool,
    /// Whether it is on the block list.
    blocked: bool,
    /// Whether it is on the allow list.
    allowed: bool,
    /// Whether the server serves it.
    served: bool,
    /// Sockets that this server closes. Other servers close theirs within 2 seconds.
    disconnected: usize,
}

pub(super) async fn list(
    request: &AdminRequest<'_>,
    list: IdentityList,
    admin: &AdminState,
) -> Result<RouteReply, ApiError> {
    let limit = request.limit()?;
    let after = request.text("after").to_ascii_lowercase();
    let listed = admin.db.listed(list, after, one_more(limit)).await;
    let mut listed = listed.map_err(database_error)?;
    let next = cut(&mut listed, limit).map(|last| last.identity.to_hex());
    let item = |listed: ListedIdentity| ListedIdentityItem {
        identity: listed.identity.to_hex(),
        since: listed.since,
    };
    Ok(RouteReply::success(&ListedIdentities {
        list: list.word(),
        identities: listed.into_iter().map(item).collect(),
        next,
    }))
}

/// The list that an action changes, and whether it adds an identity.
pub(super) fn action(word: &str) -> Option<(IdentityList, bool)> {
    Some(match word {
        "block" => (IdentityList::Block, true),
        "unblock" => (IdentityList::Block, false),
        "allow" => (IdentityList::Allow, true),
        "disallow" => (IdentityList::Allow, false),
        _ => return None,
    })
}

/// Changes a list. The change holds here at once, and on other servers when they next read the lists, which they do every
/// second.
pub(super) async fn set(
    identity: &str,
    (list, listed): (IdentityList, bool),
    admin: &AdminState,
) -> Result<RouteReply, ApiError> {
    let identity = key(identity)?;
    let changed = admin.db.set_listed(list, identity, listed).await;
    let changed = changed.map_err(database_error)?;
    let refreshed = admin.db.refresh_identity_lists().await;
    refreshed.map_err(database_error)?;
    log::info!(
        "an admin {} {identity:?} {} the {} list",
        if listed { "put" } else { "took" },
        if listed { "on" } else { "off" },
        list.word()
    );
    let lists = admin.db.identity_lists();
    Ok(RouteReply::success(&ListingChanged {
        identity: identity.to_hex(),
        changed,
        blocked: lists.has(IdentityList::Block, &identity),
        allowed: lists.has(IdentityList::Allow, &identity),
        served: lists.check(&identity).is_ok(),
        disconnected: end_refused(&admin.sockets, &admin.db),
    }))
}

/// Closes the sockets of identities that the server no longer serves, and counts them.
pub fn end_refused(sockets: &SocketTable<AuthSocketSession>, db: &DbHandle) -> usize {
    let lists = db.identity_lists();
    let count = close_sockets(sockets, |identity| lists.check(&identity).is_err());
    if count > 0 {
        log::info!("closed {count} sockets of identities that are not served");
    }
    count
}
