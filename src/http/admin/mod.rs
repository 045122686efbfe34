//! What is served to those who look after the server: `/admin/...` and `/metrics`, at the root of the origin and behind
//! the routing prefix.
//!
//! A request that is let in by token, or because it comes from this machine, is answered here. Any other goes the way of all
//! requests: signed by an admin it comes back here ([`answer_signed`]); else it is answered like a route that does not exist.

mod belongings;
mod bodies;
mod dashboard;
mod lists;
mod live;
mod operations;
mod rooms;
mod sockets;
mod waiting;

pub(in crate::http) use belongings::{IdentityDevices, IdentityPermissions, Removed};
pub(in crate::http) use bodies::{
    Accepted, Disconnected, LogLevel, RoomDetail, RoomList, SocketDetail, SocketItem, SocketList,
};
pub(in crate::http) use lists::{ListedIdentities, ListedIdentityItem, ListingChanged};
pub(in crate::http) use waiting::{
    InboxItem, InboxList, WaitingBoxItem, WaitingBoxes, WaitingTotalItem,
};

pub use lists::end_refused;

use std::sync::Arc;

use actix::Addr;
use actix_web::http::header::{self, HeaderName};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use percent_encoding::percent_decode_str;
use tokio::sync::{Notify, Semaphore};

use crate::admin::{
    Admin, AdminRequest, CONTENT_TYPE, GetHistory, GetServerStatus, Guard, ServerStatus, exposition,
};
use crate::authsocket::AuthSocket;
use crate::db::{DbError, DbHandle};
use crate::ids::IdentityKey;
use crate::live::Live;
use crate::model::IdentityList;
use crate::rooms::RoomsHandle;
use crate::socket::SocketTable;

use super::authenticate::{NOT_STORED, respond, unsigned};
use super::client_address::{count_request, is_forwarded};
use super::error::{ApiError, store_error};
use super::reply::Reply;
use super::routes::query::Query;
use super::state::HttpState;

/// What these routes need. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AdminState {
    /// Who is asked how the server is.
    pub admin: Addr<Admin>,
    /// Who may ask.
    pub guard: Live<Guard>,
    /// Whether anybody may ask for `/metrics`.
    pub public_metrics: bool,
    /// The sockets.
    pub sockets: Arc<SocketTable<AuthSocket>>,
    /// The rooms.
    pub rooms: RoomsHandle,
    /// The database.
    pub db: DbHandle,
    /// Told when the server is to go down.
    pub drain: Arc<Notify>,
    /// Places of those who listen to how the server is.
    pub streams: Arc<Semaphore>,
}

/// Adds the routes behind this prefix.
pub(super) fn configure(config: &mut web::ServiceConfig, prefix: &str) {
    for path in [FOLDER, "/admin/{of:.*}", METRICS] {
        config.service(web::resource(format!("{prefix}{path}")).default_service(web::to(handle)));
    }
}

const METRICS: &str = "/metrics";
/// Where the page is looked for.
const FOLDER: &str = "/admin";
/// The page. It holds nothing and asks for a token, so that anybody may load it where there are admins.
const DASHBOARD: &str = "/admin/";
const EVENTS: &str = "/admin/events";

/// What every signed request has.
const SIGNED: &str = "x-bsv-auth-identity-key";

async fn handle(
    request: HttpRequest,
    body: web::Payload,
    state: web::Data<HttpState>,
) -> HttpResponse {
    // Who signs may be judged by his key, and wants a signed answer.
    let unsigned_way = state
        .admin
        .as_ref()
        .filter(|_| !request.headers().contains_key(SIGNED));
    let asked = unsigned_way.and_then(|admin| {
        let asked = Asked::of(&request, &state.routing_prefix)?;
        let guard = admin.guard.get();
        let is_open = match asked.path {
            METRICS => admin.public_metrics,
            FOLDER | DASHBOARD => matches!(asked.method, "GET" | "HEAD") && !guard.is_closed(),
            _ => false,
        };
        (is_open || guard.admits(&asker(&request))).then_some((admin, asked))
    });
    let Some((admin, asked)) = asked.filter(|_| request.method() != Method::OPTIONS) else {
        return respond(request, body, state).await;
    };
    if let Err(error) = count_request(&request, &state.addresses) {
        return unsigned(&error);
    }
    match (asked.method, asked.path) {
        ("GET" | "HEAD", FOLDER) => return dashboard::redirect(),
        ("GET" | "HEAD", DASHBOARD) => return dashboard::page(),
        ("GET", EVENTS) => return live::events(admin),
        _ => {}
    }
    let reply = match answer(&asked, admin).await {
        Some(reply) => Reply::from(reply),
        None => return respond(request, body, state).await,
    };
    let mut response = HttpResponse::build(reply.status);
    if let Some(failed) = reply.failure {
        response.extensions_mut().insert(failed);
    }
    response
        .content_type(reply.content_type)
        .insert_header(NOT_STORED)
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(reply.body)
}

/// Answers a verified request of `caller`, if that is an admin and this is a route of his.
pub(super) async fn answer_signed(
    request: &HttpRequest,
    caller: &IdentityKey,
    state: &HttpState,
) -> Option<Reply> {
    let admin = state.admin.as_ref()?;
    let guard = admin.guard.get();
    let is_admin = guard.admits_identity(caller) || guard.admits(&asker(request));
    if !is_admin {
        return None;
    }
    let asked = Asked::of(request, &state.routing_prefix)?;
    if !state.counts_once().await {
        // The request's scope says why it gets another answer than this.
        return Some(ApiError::unauthenticated().into());
    }
    answer(&asked, admin).await.map(Reply::from)
}

fn asker(request: &HttpRequest) -> AdminRequest<'_> {
    let headers = request.headers();
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let is_there = |name: HeaderName| headers.contains_key(name);
    AdminRequest {
        peer: request.peer_addr().map(|peer| peer.ip()),
        authorization: text(header::AUTHORIZATION),
        host: text(header::HOST),
        origin: is_there(header::ORIGIN).then(|| text(header::ORIGIN).unwrap_or_default()),
        fetch_site: text(HeaderName::from_static("sec-fetch-site")),
        forwarded: is_forwarded(request),
    }
}

/// What is asked for.
struct Asked<'a> {
    /// Without the routing prefix.
    path: &'a str,
    method: &'a str,
    query: Query,
}

impl<'a> Asked<'a> {
    fn of(request: &'a HttpRequest, prefix: &str) -> Option<Self> {
        let path = request.path();
        let path = path.strip_prefix(prefix).unwrap_or(path);
        let is_ours = path.starts_with(DASHBOARD) || [FOLDER, METRICS].contains(&path);
        is_ours.then(|| Self {
            path,
            method: request.method().as_str(),
            query: Query::parse(request.query_string()),
        })
    }

    /// Whether identities are to be shown in full.
    fn is_full(&self) -> bool {
        self.query.first(&["full"]) == Some("true")
    }

    fn shown(&self, text: &str) -> String {
        if self.is_full() {
            text.to_owned()
        } else {
            crate::admin::shorten(text)
        }
    }

    /// How many of a list.
    fn limit(&self) -> Result<usize, ApiError> {
        let Some(text) = self.query.first(&["limit"]) else {
            return Ok(DEFAULT_LIMIT);
        };
        let limit = text
            .parse()
            .ok()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit));
        limit.ok_or_else(|| {
            ApiError::bad_request(
                "ERR_INVALID_LIMIT",
                "limit must be a number between 1 and 1000",
            )
        })
    }
}

/// How many to ask for, so that it is known whether there are more.
fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

/// Cuts what is more than a page. Gives the last of the page, where there are more behind it.
fn cut<T>(found: &mut Vec<T>, limit: usize) -> Option<&T> {
    let is_cut = found.len() > limit;
    found.truncate(limit);
    found.last().filter(|_| is_cut)
}

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

/// `None`: there is no such route, or not for this method.
async fn answer(asked: &Asked<'_>, admin: &AdminState) -> Option<Result<Reply, ApiError>> {
    let parts: Vec<String> = asked
        .path
        .split('/')
        .skip(1)
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let is_read = matches!(asked.method, "GET" | "HEAD");
    Some(match parts.as_slice() {
        ["metrics"] if is_read => status(admin).await.map(|status| Reply {
            content_type: CONTENT_TYPE,
            ..Reply::ok_json(exposition(&status))
        }),
        ["admin", "status"] if is_read => status(admin).await.map(|status| {
            if asked.is_full() {
                Reply::ok(&*status)
            } else {
                Reply::ok(&status.shortened())
            }
        }),
        ["admin", "history"] if is_read => history(admin).await,
        ["admin", "rooms"] if is_read => rooms::list(asked, admin).await,
        ["admin", "rooms", room] if is_read => rooms::inspect(asked, room, admin).await,
        ["admin", "sockets"] if is_read => sockets::list(asked, admin),
        ["admin", "sockets", sid] if is_read => sockets::inspect(asked, sid, admin).await,
        ["admin", "sockets", sid, "disconnect"] if asked.method == "POST" => {
            sockets::disconnect(sid, admin)
        }
        ["admin", "identities", key, "disconnect"] if asked.method == "POST" => {
            sockets::disconnect_identity(key, admin)
        }
        ["admin", "boxes"] if is_read => waiting::boxes(asked, admin).await,
        ["admin", "inboxes"] if is_read => waiting::inboxes(asked, admin).await,
        ["admin", "lists", list] if is_read => {
            lists::list(asked, IdentityList::of(list)?, admin).await
        }
        ["admin", "identities", key, action] if asked.method == "POST" => {
            lists::set(key, lists::action(action)?, admin).await
        }
        ["admin", "identities", key, "devices"] if is_read => belongings::devices(key, admin).await,
        ["admin", "identities", key, "devices", id, "remove"] if asked.method == "POST" => {
            belongings::remove_device(key, id, admin).await
        }
        ["admin", "identities", key, "permissions"] if is_read => {
            belongings::permissions(asked, key, admin).await
        }
        ["admin", "identities", key, "permissions", "unset"] if asked.method == "POST" => {
            belongings::unset_permission(asked, key, admin).await
        }
        ["admin", "drain"] if asked.method == "POST" => Ok(operations::drain(admin)),
        ["admin", "log-level"] if asked.method == "POST" => operations::log_level(asked),
        _ => return None,
    })
}

async fn status(admin: &AdminState) -> Result<Arc<ServerStatus>, ApiError> {
    // Its own deadlines are shorter.
    let asked = tokio::time::timeout(
        crate::admin::DEADLINE * 4,
        admin.admin.send(GetServerStatus),
    );
    let status = asked.await.ok().and_then(Result::ok).flatten();
    status.ok_or_else(unresponsive)
}

fn database_error(error: &DbError) -> ApiError {
    store_error(
        error,
        "ERR_DATABASE_ERROR",
        "The database could not be asked.",
    )
}

async fn history(admin: &AdminState) -> Result<Reply, ApiError> {
    let asked = tokio::time::timeout(crate::admin::DEADLINE * 4, admin.admin.send(GetHistory));
    let history = asked.await.ok().and_then(Result::ok).flatten();
    history.map(|it| Reply::ok(&it)).ok_or_else(unresponsive)
}

fn unresponsive() -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "ERR_UNRESPONSIVE",
        "The actor that knows it did not answer in time.",
    )
}
