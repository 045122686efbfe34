//! Sockets: admins list, inspect and close them.

use std::collections::BinaryHeap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::engineio::{CloseReason, TransportKind};
use crate::http::error::ApiError;
use crate::http::reply::RouteReply;
use crate::ids::{IdentityKey, Sid};
use crate::rooms::{InspectMember, MemberRooms};
use crate::socket::SocketRecord;

use super::request::{AdminRequest, cut, key};
use super::state::{AdminState, close_sockets};

/// Sockets, ordered by session id.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct SocketList {
    sockets: Vec<SocketItem>,
    /// The `after` of the next page; null on the last page.
    next: Option<String>,
}

/// A socket of a client.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct SocketItem {
    sid: String,
    /// Its authenticated identity; shortened unless `full` is set. Null: not authenticated.
    identity: Option<String>,
    /// Either `polling` or `websocket`.
    transport: &'static str,
    /// Seconds since it was opened.
    open_seconds: u64,
    /// Bytes in its outbound buffer.
    outbound_bytes: usize,
    /// The client's end of the connection that opened it; null unless `full` is set.
    address: Option<String>,
}

/// A socket and its rooms.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct SocketDetail {
    socket: SocketItem,
    /// Rooms that it has joined explicitly, at most as many as `limit` says.
    rooms: Vec<String>,
    /// Number of rooms that it has joined explicitly.
    room_count: usize,
    /// Events that are queued for it.
    pending: usize,
}

/// Sockets are being closed.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Disconnected {
    disconnected: usize,
}

/// Selects sockets of a list.
struct Filter {
    identity: Option<IdentityKey>,
    transport: Option<TransportKind>,
    authenticated: Option<bool>,
    /// A part of the socket's id or of the identity key.
    contains: String,
}

impl Filter {
    fn read(request: &AdminRequest<'_>) -> Result<Self, ApiError> {
        let wrong = |name: &str, words: &str| {
            ApiError::bad_request("ERR_INVALID_FILTER", format!("{name} must be {words}"))
        };
        let transport = request.parameter("transport").map(str::parse).transpose();
        Ok(Self {
            identity: request.key("identity")?,
            transport: transport.map_err(|_| wrong("transport", "polling or websocket"))?,
            authenticated: match request.parameter("state") {
                None => None,
                Some("authenticated" | "proven") => Some(true),
                Some("unauthenticated" | "unproven") => Some(false),
                Some(_) => return Err(wrong("state", "proven or unproven")),
            },
            contains: request.text("contains"),
        })
    }

    fn matches(&self, sid: Sid, record: &SocketRecord) -> bool {
        let (identity, transport) = (record.identity(), record.transport());
        self.identity.is_none_or(|wanted| identity == Some(wanted))
            && self.transport.is_none_or(|wanted| transport == wanted)
            && (self.authenticated).is_none_or(|wanted| identity.is_some() == wanted)
            && contains(sid, record, &self.contains)
    }
}

/// Whether this is a part of the socket's id or of its identity key.
pub(super) fn contains(sid: Sid, record: &SocketRecord, text: &str) -> bool {
    let identity = record.identity();
    sid.as_str().contains(text) || identity.is_some_and(|identity| identity.to_hex().contains(text))
}

/// Lists sockets by id. The heap never holds more than one page.
pub(super) fn list(request: &AdminRequest<'_>, admin: &AdminState) -> Result<RouteReply, ApiError> {
    let (filter, limit) = (Filter::read(request)?, request.limit()?);
    let after = request.text("after");
    let mut first = BinaryHeap::new();
    admin.sockets.for_each(|sid, record| {
        if filter.matches(sid, record) && sid.as_str() > after.as_str() {
            first.push(sid.to_string());
            if first.len() > limit + 1 {
                first.pop();
            }
        }
    });
    let mut sids = first.into_sorted_vec();
    let next = cut(&mut sids, limit).cloned();
    let found = |sid: &String| {
        let sid: Sid = sid.parse().ok()?;
        Some(item(request, sid, &*admin.sockets.record(sid)?))
    };
    let sockets = sids.iter().filter_map(found).collect();
    Ok(RouteReply::success(&SocketList { sockets, next }))
}

pub(super) async fn inspect(
    request: &AdminRequest<'_>,
    sid: &str,
    admin: &AdminState,
) -> Result<RouteReply, ApiError> {
    let limit = request.limit()?;
    let sid: Sid = sid.parse().map_err(|_| unknown())?;
    let record = admin.sockets.record(sid).ok_or_else(unknown)?;
    let member = admin.ask_rooms(InspectMember { sid, limit }).await?;
    let MemberRooms {
        rooms,
        room_count,
        pending,
    } = member.unwrap_or_default();
    let rooms = rooms.iter().map(|room| request.shown(room.as_str()));
    Ok(RouteReply::success(&SocketDetail {
        socket: item(request, sid, &record),
        rooms: rooms.collect(),
        room_count,
        pending,
    }))
}

pub(super) fn disconnect(sid: &str, admin: &AdminState) -> Result<RouteReply, ApiError> {
    let sid = sid.parse().map_err(|_| unknown())?;
    if !admin.sockets.close(sid, CloseReason::ForcedClose) {
        return Err(unknown());
    }
    log::info!("an admin closed socket {sid}");
    Ok(RouteReply::success(&Disconnected { disconnected: 1 }))
}

pub(super) fn disconnect_identity(text: &str, admin: &AdminState) -> Result<RouteReply, ApiError> {
    let identity = key(text)?;
    let disconnected = close_sockets(&admin.sockets, |other| other == identity);
    log::info!("an admin closed {disconnected} sockets of {identity:?}");
    Ok(RouteReply::success(&Disconnected { disconnected }))
}

pub(super) fn item(request: &AdminRequest<'_>, sid: Sid, record: &SocketRecord) -> SocketItem {
    let identity = record.identity().map(|identity| identity.to_hex());
    let address = record.remote.filter(|_| request.is_full());
    SocketItem {
        sid: sid.to_string(),
        identity: identity.map(|identity| request.shown(&identity)),
        transport: record.transport().name(),
        open_seconds: record.opened.elapsed().as_secs(),
        outbound_bytes: record.outbound_bytes(),
        address: address.map(|address| address.to_string()),
    }
}

fn unknown() -> ApiError {
    ApiError::not_found("ERR_UNKNOWN_SOCKET", "There is no such socket.")
}
