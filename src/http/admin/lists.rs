//! The operator's lists of identities, for admins: who is blocked, and who alone is served.

use serde::Serialize;
use utoipa::ToSchema;

use crate::authsocket::AuthSocket;
use crate::db::DbHandle;
use crate::engineio::CloseReason;
use crate::http::error::ApiError;
use crate::http::reply::Reply;
use crate::ids::{IdentityKey, Sid};
use crate::model::{IdentityList, ListedIdentity};
use crate::socket::SocketTable;

use super::sockets::key;
use super::{AdminState, Asked, cut, database_error, one_more};

/// Identities on a list, by their keys.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ListedIdentities {
    /// Always `success`.
    status: &'static str,
    /// `block` or `allow`.
    list: &'static str,
    /// In full: a list of shortened keys is of no use.
    identities: Vec<ListedIdentityItem>,
    /// `after` of the next page; null: there are no more.
    next: Option<String>,
}

/// An identity on a list.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ListedIdentityItem {
    /// Identity key.
    identity: String,
    /// ISO 8601.
    since: String,
}

/// What holds for an identity now.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(in crate::http) struct ListingChanged {
    /// Always `success`.
    status: &'static str,
    /// Identity key.
    identity: String,
    /// Whether this has changed anything.
    changed: bool,
    /// Whether it is on the block list.
    blocked: bool,
    /// Whether it is on the allow list.
    allowed: bool,
    /// Whether the server serves it.
    served: bool,
    /// Sockets of this server that were told to end. Other servers end theirs within a second or two.
    disconnected: usize,
}

pub(super) async fn list(
    asked: &Asked<'_>,
    list: IdentityList,
    admin: &AdminState,
) -> Result<Reply, ApiError> {
    let limit = asked.limit()?;
    let after = asked.query.first(&["after"]).unwrap_or_default();
    let after = after.to_ascii_lowercase();
    let listed = admin.db.listed(list, after, one_more(limit)).await;
    let mut listed = listed.map_err(|error| database_error(&error))?;
    let next = cut(&mut listed, limit).map(|last| last.identity.to_hex());
    let item = |listed: ListedIdentity| ListedIdentityItem {
        identity: listed.identity.to_hex(),
        since: listed.since,
    };
    Ok(Reply::ok(&ListedIdentities {
        status: "success",
        list: list.word(),
        next,
        identities: listed.into_iter().map(item).collect(),
    }))
}

/// The list that an action changes, and whether it adds.
pub(super) fn action(word: &str) -> Option<(IdentityList, bool)> {
    Some(match word {
        "block" => (IdentityList::Block, true),
        "unblock" => (IdentityList::Block, false),
        "allow" => (IdentityList::Allow, true),
        "disallow" => (IdentityList::Allow, false),
        _ => return None,
    })
}

/// Changes a list. It holds here at once, and on other servers once they look, which they do each second.
pub(super) async fn set(
    identity: &str,
    (list, listed): (IdentityList, bool),
    admin: &AdminState,
) -> Result<Reply, ApiError> {
    let identity = key(identity)?;
    let changed = async {
        let changed = admin.db.set_listed(list, identity, listed).await?;
        admin.db.refresh_identity_lists().await?;
        Ok(changed)
    };
    let changed = changed.await.map_err(|error| database_error(&error))?;
    log::info!(
        "an admin has {identity:?} {} the {} list",
        if listed { "on" } else { "off" },
        list.word()
    );
    let lists = admin.db.identity_lists();
    Ok(Reply::ok(&ListingChanged {
        status: "success",
        identity: identity.to_hex(),
        changed,
        blocked: lists.has(IdentityList::Block, &identity),
        allowed: lists.has(IdentityList::Allow, &identity),
        served: lists.check(&identity).is_ok(),
        disconnected: end_refused(&admin.sockets, &admin.db),
    }))
}

/// Ends the sockets of identities that are not served any more; says how many.
pub fn end_refused(sockets: &SocketTable<AuthSocket>, db: &DbHandle) -> usize {
    let lists = db.identity_lists();
    let mut refused = Vec::new();
    sockets.for_each(|sid, record| {
        let is_refused = |identity: IdentityKey| lists.check(&identity).is_err();
        if record.identity().is_some_and(is_refused) {
            refused.push(sid);
        }
    });
    // After the look: a table that is being looked at is not to be changed.
    let told = |sid: &&Sid| sockets.close(**sid, CloseReason::ForcedClose);
    let count = refused.iter().filter(told).count();
    if count > 0 {
        log::info!("ended {count} sockets of identities that are not served");
    }
    count
}
