//! Routes of admins: `/admin/...` and `/metrics`, at the root of the origin and behind the routing prefix.
//!
//! [`respond_unsigned`] answers a request that is admitted by token, or because it comes from this machine. Any other request
//! goes on to be verified; if an admin's key has signed it, [`answer_signed`] answers it. For everybody else these routes do
//! not exist.

mod belongings;
mod dashboard;
mod lists;
mod live;
mod migrate;
mod operations;
mod request;
mod rooms;
mod sockets;
pub(super) mod state;
mod waiting;

pub(super) mod bodies {
    //! The replies of these routes, for their description.
    pub(in crate::http) use super::belongings::{IdentityDevices, IdentityPermissions, Removed};
    pub(in crate::http) use super::lists::{ListedIdentities, ListingChanged};
    pub(in crate::http) use super::migrate::Migrated;
    pub(in crate::http) use super::operations::{Accepted, LogLevel};
    pub(in crate::http) use super::rooms::{RoomDetail, RoomList};
    pub(in crate::http) use super::sockets::{Disconnected, SocketDetail, SocketList};
    pub(in crate::http) use super::waiting::{InboxList, WaitingBoxes};
}

pub use lists::end_refused;
pub use migrate::MigrateState;
pub use state::AdminState;

use actix_web::http::header::{self, HeaderName};
use actix_web::{HttpRequest, HttpResponse};
use percent_encoding::percent_decode_str;

use crate::admin::{AdminRequester, CONTENT_TYPE, exposition};
use crate::ids::IdentityKey;
use crate::model::IdentityList;

use super::client_address::is_forwarded;
use super::error::ApiError;
use super::reply::RouteReply;
use super::state::HttpState;
use request::{AdminRequest, DASHBOARD, FOLDER, METRICS};

const EVENTS: &str = "/admin/events";

/// A header of every signed request.
const SIGNED: &str = "x-bsv-auth-identity-key";

/// Answers a request that needs no signature. `None`: no route of admins has it, or the sender is not admitted.
pub(super) async fn respond_unsigned(
    request: &HttpRequest,
    state: &HttpState,
) -> Option<HttpResponse> {
    // A signed request may be admitted by its key, and needs a signed answer.
    if request.headers().contains_key(SIGNED) {
        return None;
    }
    let admin = state.admin.as_ref()?;
    let admin_request = AdminRequest::of(request, &state.routing_prefix)?;
    let guard = admin.guard.get();
    let is_read = matches!(admin_request.method, "GET" | "HEAD");
    let is_open = match admin_request.path {
        METRICS => admin.public_metrics,
        FOLDER | DASHBOARD => is_read && !guard.is_closed(),
        _ => false,
    };
    if !is_open && !guard.admits(&requester(request)) {
        return None;
    }
    match admin_request.path {
        FOLDER if is_read => return Some(dashboard::redirect()),
        DASHBOARD if is_read => return Some(dashboard::page()),
        EVENTS if admin_request.method == "GET" => {
            return Some(live::events(admin).unwrap_or_else(HttpResponse::from_error));
        }
        _ => {}
    }
    let reply = answer(&admin_request, admin).await?;
    let mut response = reply.start();
    response.insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    Some(response.body(reply.body))
}

/// Answers a verified request of `caller`. `None`: no route of admins has it, or the caller is not an admin.
pub(super) async fn answer_signed(
    request: &HttpRequest,
    caller: &IdentityKey,
    state: &HttpState,
) -> Option<RouteReply> {
    let admin = state.admin.as_ref()?;
    let guard = admin.guard.get();
    let is_admin = guard.admits_identity(caller) || guard.admits(&requester(request));
    if !is_admin {
        return None;
    }
    let admin_request = AdminRequest::of(request, &state.routing_prefix)?;
    if !state.counts_once().await {
        // The request's scope holds the reason, and replaces this reply.
        return Some(ApiError::unauthenticated().into());
    }
    answer(&admin_request, admin).await
}

fn requester(request: &HttpRequest) -> AdminRequester<'_> {
    let headers = request.headers();
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let is_there = |name: HeaderName| headers.contains_key(name);
    AdminRequester {
        peer: request.peer_addr().map(|peer| peer.ip()),
        authorization: text(header::AUTHORIZATION),
        host: text(header::HOST),
        origin: is_there(header::ORIGIN).then(|| text(header::ORIGIN).unwrap_or_default()),
        fetch_site: text(HeaderName::from_static("sec-fetch-site")),
        forwarded: is_forwarded(request),
    }
}

/// `None`: there is no such route, or not for this method.
async fn answer(request: &AdminRequest<'_>, admin: &AdminState) -> Option<RouteReply> {
    let parts: Vec<String> = request
        .path
        .split('/')
        .skip(1)
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match request.method {
        "GET" | "HEAD" => read(&parts, request, admin).await,
        "POST" => change(&parts, request, admin).await,
        _ => None,
    }
}

async fn read(path: &[&str], request: &AdminRequest<'_>, admin: &AdminState) -> Option<RouteReply> {
    let reply = match path {
        ["metrics"] => admin.status().await.map(|status| RouteReply {
            content_type: CONTENT_TYPE,
            ..RouteReply::written(exposition(&status))
        }),
        ["admin", "status"] => admin.status().await.map(|status| {
            if request.is_full() {
                RouteReply::json(&*status)
            } else {
                RouteReply::json(&status.shortened())
            }
        }),
        ["admin", "history"] => admin.history().await.map(|it| RouteReply::json(&it)),
        ["admin", "rooms"] => rooms::list(request, admin).await,
        ["admin", "rooms", room] => rooms::inspect(request, room, admin).await,
        ["admin", "sockets"] => sockets::list(request, admin),
        ["admin", "sockets", sid] => sockets::inspect(request, sid, admin).await,
        ["admin", "boxes"] => waiting::boxes(request, admin).await,
        ["admin", "inboxes"] => waiting::inboxes(request, admin).await,
        ["admin", "lists", list] => lists::list(request, IdentityList::of(list)?, admin).await,
        ["admin", "identities", key, "devices"] => belongings::devices(key, admin).await,
        ["admin", "identities", key, "permissions"] => {
            belongings::permissions(request, key, admin).await
        }
        _ => return None,
    };
    Some(reply.into())
}

async fn change(
    path: &[&str],
    request: &AdminRequest<'_>,
    admin: &AdminState,
) -> Option<RouteReply> {
    let reply = match path {
        ["admin", "drain"] => Ok(operations::drain(admin)),
        ["admin", "log-level"] => operations::log_level(request),
        ["admin", "sockets", sid, "disconnect"] => sockets::disconnect(sid, admin),
        ["admin", "identities", key, "disconnect"] => sockets::disconnect_identity(key, admin),
        ["admin", "identities", key, action] => {
            lists::set(key, lists::action(action)?, admin).await
        }
        ["admin", "identities", key, "devices", id, "remove"] => {
            belongings::remove_device(key, id, admin).await
        }
        ["admin", "identities", key, "permissions", "unset"] => {
            belongings::unset_permission(request, key, admin).await
        }
        _ => return None,
    };
    Some(reply.into())
}
