//! Rooms, for admins.

use crate::admin::DEADLINE;
use crate::http::error::ApiError;
use crate::http::reply::Reply;
use crate::ids::RoomId;
use crate::rooms::{InspectRoom, ListRooms, RoomSummary};

use super::bodies::{RoomDetail, RoomList};
use super::{AdminState, Asked, sockets, unresponsive};
use crate::admin::RoomPart;

pub(super) async fn list(asked: &Asked<'_>, admin: &AdminState) -> Result<Reply, ApiError> {
    let limit = asked.limit()?;
    let list = ListRooms {
        contains: asked
            .query
            .first(&["contains"])
            .unwrap_or_default()
            .to_owned(),
        after: asked.query.first(&["after"]).map(RoomId::new),
        limit: limit + 1,
    };
    let answer = tokio::time::timeout(DEADLINE, admin.rooms.registry().send(list));
    let mut rooms = answer
        .await
        .ok()
        .and_then(Result::ok)
        .ok_or_else(unresponsive)?;
    let is_cut = rooms.len() > limit;
    rooms.truncate(limit);
    let next = rooms.last().filter(|_| is_cut);
    let next = next.map(|last| last.room.as_str().to_owned());
    Ok(Reply::ok(&RoomList {
        status: "success",
        next,
        rooms: rooms.into_iter().map(|room| part(asked, room)).collect(),
    }))
}

pub(super) async fn inspect(
    asked: &Asked<'_>,
    room: &str,
    admin: &AdminState,
) -> Result<Reply, ApiError> {
    let inspect = InspectRoom {
        room: RoomId::new(room).canonical(),
        limit: asked.limit()?,
    };
    let answer = tokio::time::timeout(DEADLINE, admin.rooms.registry().send(inspect));
    let answer = answer.await.ok().and_then(Result::ok);
    let (summary, members) = answer.ok_or_else(unresponsive)?;
    let member = |sid| Some(sockets::item(asked, sid, &*admin.sockets.record(sid)?));
    Ok(Reply::ok(&RoomDetail {
        status: "success",
        room: part(asked, summary),
        members: members.into_iter().filter_map(member).collect(),
    }))
}

fn part(asked: &Asked<'_>, room: RoomSummary) -> RoomPart {
    let part = RoomPart::from(room);
    RoomPart {
        room: asked.shown(&part.room),
        ..part
    }
}
