//! Sockets, for admins.

use std::collections::BinaryHeap;

use actix_web::http::StatusCode;

use crate::admin::DEADLINE;
use crate::engineio::{CloseReason, TransportKind};
use crate::http::error::ApiError;
use crate::http::reply::Reply;
use crate::ids::{IdentityKey, Sid};
use crate::rooms::{InspectMember, MemberRooms};
use crate::socket::SocketRecord;

use super::bodies::{Disconnected, SocketDetail, SocketItem, SocketList};
use super::{AdminState, Asked, cut, unresponsive};

/// Those that are looked for.
struct Filter {
    identity: Option<IdentityKey>,
    transport: Option<TransportKind>,
    proven: Option<bool>,
    /// A part of the socket's id or of the identity key.
    contains: String,
}

impl Filter {
    fn read(asked: &Asked<'_>) -> Result<Self, ApiError> {
        let wrong = |name: &str, words: &str| {
            ApiError::bad_request("ERR_INVALID_FILTER", format!("{name} must be {words}"))
        };
        let query = &asked.query;
        Ok(Self {
            identity: query.first(&["identity"]).map(key).transpose()?,
            transport: query
                .first(&["transport"])
                .map(str::parse)
                .transpose()
                .map_err(|_| wrong("transport", "polling or websocket"))?,
            proven: match query.first(&["state"]) {
                None => None,
                Some("proven") => Some(true),
                Some("unproven") => Some(false),
                Some(_) => return Err(wrong("state", "proven or unproven")),
            },
            contains: query.first(&["contains"]).unwrap_or_default().to_owned(),
        })
    }

    fn matches(&self, sid: Sid, record: &SocketRecord) -> bool {
        let identity = record.identity();
        self.identity.is_none_or(|wanted| identity == Some(wanted))
            && self
                .transport
                .is_none_or(|wanted| record.transport() == wanted)
            && self
                .proven
                .is_none_or(|wanted| identity.is_some() == wanted)
            && contains(sid, record, &self.contains)
    }
}

/// Whether this is a part of the socket's id or of its identity key.
pub(super) fn contains(sid: Sid, record: &SocketRecord, text: &str) -> bool {
    let identity = record.identity();
    sid.as_str().contains(text) || identity.is_some_and(|identity| identity.to_hex().contains(text))
}

/// In the order of their ids; the heap never holds more than one page.
pub(super) fn list(asked: &Asked<'_>, admin: &AdminState) -> Result<Reply, ApiError> {
    let (filter, limit) = (Filter::read(asked)?, asked.limit()?);
    let after = asked.query.first(&["after"]).unwrap_or_default();
    let mut first = BinaryHeap::new();
    admin.sockets.for_each(|sid, record| {
        if filter.matches(sid, record) && sid.as_str() > after {
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
        Some(item(asked, sid, &*admin.sockets.record(sid)?))
    };
    Ok(Reply::ok(&SocketList {
        status: "success",
        sockets: sids.iter().filter_map(found).collect(),
        next,
    }))
}

pub(super) async fn inspect(
    asked: &Asked<'_>,
    sid: &str,
    admin: &AdminState,
) -> Result<Reply, ApiError> {
    let limit = asked.limit()?;
    let sid: Sid = sid.parse().map_err(|_| unknown())?;
    let record = admin.sockets.record(sid).ok_or_else(unknown)?;
    let asked_registry = admin.rooms.registry().send(InspectMember { sid, limit });
    let answer = tokio::time::timeout(DEADLINE, asked_registry).await;
    let member = answer.ok().and_then(Result::ok).ok_or_else(unresponsive)?;
    let MemberRooms {
        rooms,
        room_count,
        pending,
    } = member.unwrap_or_default();
    Ok(Reply::ok(&SocketDetail {
        status: "success",
        socket: item(asked, sid, &record),
        rooms: rooms
            .iter()
            .map(|room| asked.shown(room.as_str()))
            .collect(),
        room_count,
        pending,
    }))
}

pub(super) fn disconnect(sid: &str, admin: &AdminState) -> Result<Reply, ApiError> {
    let sid = sid.parse().map_err(|_| unknown())?;
    if !admin.sockets.close(sid, CloseReason::ForcedClose) {
        return Err(unknown());
    }
    log::info!("an admin ends socket {sid}");
    Ok(disconnected(1))
}

pub(super) fn disconnect_identity(text: &str, admin: &AdminState) -> Result<Reply, ApiError> {
    let identity = key(text)?;
    let mut sids = Vec::new();
    admin.sockets.for_each(|sid, record| {
        if record.identity() == Some(identity) {
            sids.push(sid);
        }
    });
    // After the look: a table that is being looked at is not to be changed.
    let told = |sid: &&Sid| admin.sockets.close(**sid, CloseReason::ForcedClose);
    let count = sids.iter().filter(told).count();
    log::info!("an admin ends {count} sockets of {identity:?}");
    Ok(disconnected(count))
}

fn disconnected(disconnected: usize) -> Reply {
    Reply::ok(&Disconnected {
        status: "success",
        disconnected,
    })
}

pub(super) fn item(asked: &Asked<'_>, sid: Sid, record: &SocketRecord) -> SocketItem {
    let identity = record.identity().map(|identity| identity.to_hex());
    let address = record.remote.filter(|_| asked.is_full());
    SocketItem {
        sid: sid.to_string(),
        identity: identity.map(|identity| asked.shown(&identity)),
        transport: record.transport().name(),
        open_seconds: record.opened.elapsed().as_secs(),
        outbound_bytes: record.outbound_bytes(),
        address: address.map(|address| address.to_string()),
    }
}

pub(super) fn key(text: &str) -> Result<IdentityKey, ApiError> {
    let wrong = |_| {
        ApiError::bad_request(
            "ERR_INVALID_IDENTITY",
            "An identity is a public key in hexadecimal.",
        )
    };
    text.trim().parse().map_err(wrong)
}

fn unknown() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "ERR_UNKNOWN_SOCKET",
        "There is no such socket.",
    )
}
