//! Rooms and their members.

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::error::ApiError;
use crate::http::reply::RouteReply;
use crate::ids::RoomId;
use crate::rooms::{InspectRoom, ListRooms, RoomSummary};

use super::request::{AdminRequest, cut};
use super::sockets::{self, SocketItem};
use super::state::AdminState;

/// Members that one question to the registry returns.
const MEMBERS_AT_A_TIME: usize = 1_001;

/// Rooms that a client has joined explicitly, ordered by id.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct RoomList {
    rooms: Vec<RoomSummary>,
    /// The `after` of the next page; null on the last page.
    next: Option<String>,
}

/// A room and its members.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct RoomDetail {
    room: RoomSummary,
    /// Ordered by session id.
    members: Vec<SocketItem>,
    /// The `after` of the next page; null on the last page.
    next: Option<String>,
}

pub(super) async fn list(
    request: &AdminRequest<'_>,
    admin: &AdminState,
) -> Result<RouteReply, ApiError> {
    let limit = request.limit()?;
    let list = ListRooms {
        contains: request.text("contains"),
        after: request.parameter("after").map(RoomId::new),
        limit: limit + 1,
    };
    let mut rooms = admin.ask_rooms(list).await?;
    let next = cut(&mut rooms, limit).map(|last| last.room.as_str().to_owned());
    let rooms = rooms.into_iter().map(|room| part(request, room)).collect();
    Ok(RouteReply::success(&RoomList { rooms, next }))
}

pub(super) async fn inspect(
    request: &AdminRequest<'_>,
    room: &str,
    admin: &AdminState,
) -> Result<RouteReply, ApiError> {
    let (limit, contains) = (request.limit()?, request.text("contains"));
    let mut after = request.text("after");
    let mut members = Vec::new();
    let summary = loop {
        let inspect = InspectRoom {
            room: RoomId::new(room).canonical(),
            after,
            limit: MEMBERS_AT_A_TIME,
        };
        let (summary, sids) = admin.ask_rooms(inspect).await?;
        let (is_last, last) = (sids.len() < MEMBERS_AT_A_TIME, sids.last().copied());
        for sid in sids {
            // A socket that has just ended has no record.
            if let Some(record) = admin.sockets.record(sid)
                && sockets::contains(sid, &record, &contains)
            {
                members.push((sid, sockets::item(request, sid, &record)));
            }
        }
        match last {
            Some(last) if !is_last && members.len() <= limit => after = last.to_string(),
            _ => break summary,
        }
    };
    let next = cut(&mut members, limit).map(|(sid, _)| sid.to_string());
    Ok(RouteReply::success(&RoomDetail {
        room: part(request, summary),
        members: members.into_iter().map(|(_, member)| member).collect(),
        next,
    }))
}

fn part(request: &AdminRequest<'_>, mut room: RoomSummary) -> RoomSummary {
    room.room = RoomId::new(request.shown(room.room.as_str()));
    room
}
