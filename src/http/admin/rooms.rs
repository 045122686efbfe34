//! Rooms, for admins.

use crate::admin::DEADLINE;
use crate::http::error::ApiError;
use crate::http::reply::Reply;
use crate::ids::RoomId;
use crate::rooms::{InspectRoom, ListRooms, RoomSummary};

use super::bodies::{RoomDetail, RoomList};
use super::{AdminState, Asked, cut, sockets, unresponsive};

/// Members that the registry is asked for at a time.
const LOOKED_AT: usize = 1_001;

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
    let next = cut(&mut rooms, limit).map(|last| last.room.as_str().to_owned());
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
    let (limit, contains) = (asked.limit()?, asked.query.first(&["contains"]));
    let mut after = asked.query.first(&["after"]).unwrap_or_default().to_owned();
    let mut members = Vec::new();
    let summary = loop {
        let inspect = InspectRoom {
            room: RoomId::new(room).canonical(),
            after,
            limit: LOOKED_AT,
        };
        let answer = tokio::time::timeout(DEADLINE, admin.rooms.registry().send(inspect));
        let answer = answer.await.ok().and_then(Result::ok);
        let (summary, sids) = answer.ok_or_else(unresponsive)?;
        let (is_last, last) = (sids.len() < LOOKED_AT, sids.last().copied());
        for sid in sids {
            // One that has just ended has no record.
            if let Some(record) = admin.sockets.record(sid)
                && sockets::contains(sid, &record, contains.unwrap_or_default())
            {
                members.push((sid, sockets::item(asked, sid, &record)));
            }
        }
        match last {
            Some(last) if !is_last && members.len() <= limit => after = last.to_string(),
            _ => break summary,
        }
    };
    let next = cut(&mut members, limit).map(|(sid, _)| sid.to_string());
    Ok(Reply::ok(&RoomDetail {
        status: "success",
        room: part(asked, summary),
        next,
        members: members.into_iter().map(|(_, member)| member).collect(),
    }))
}

fn part(asked: &Asked<'_>, room: RoomSummary) -> RoomSummary {
    RoomSummary {
        room: RoomId::new(asked.shown(room.room.as_str())),
        ..room
    }
}
