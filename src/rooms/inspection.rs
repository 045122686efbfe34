//! What the registry says to those who look after the server: which rooms there are, who is in one, where a member is.
//! Answers are bounded; they cost a pass over the rooms, on the registry's thread.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use actix::prelude::*;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::ids::{RoomId, Sid};

use super::registry::RoomRegistry;

/// Rooms that [`GetTopRooms`] looks at, at most: it is asked every second.
const MAX_SCANNED: usize = 50_000;

/// A room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomSummary {
    /// Its id.
    #[serde(serialize_with = "room_text")]
    #[schema(value_type = String)]
    pub room: RoomId,
    /// Its members: those that have joined it, and its owner's sockets.
    pub members: usize,
    /// Events that it had in the last five minutes, where it is among those with the most; an estimate.
    pub recent_events: Option<u64>,
}

fn room_text<S: Serializer>(room: &RoomId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(room.as_str())
}

/// The largest and the busiest rooms.
#[derive(Debug, Clone, PartialEq, Eq, Default, MessageResponse, Serialize, ToSchema)]
pub struct TopRooms {
    /// By members; of rooms that somebody has joined by asking.
    pub largest: Vec<RoomSummary>,
    /// By events of the last five minutes.
    pub busiest: Vec<RoomSummary>,
}

/// Ask for so many of the largest and the busiest rooms.
#[derive(Debug, Message)]
#[rtype(result = "TopRooms")]
pub struct GetTopRooms(pub usize);

/// Ask for rooms in the order of their ids: those that somebody has joined by asking.
#[derive(Debug, Message)]
#[rtype(result = "Vec<RoomSummary>")]
pub struct ListRooms {
    /// Those whose ids contain this.
    pub contains: String,
    /// Those behind this id.
    pub after: Option<RoomId>,
    /// So many.
    pub limit: usize,
}

/// Ask who is in a room: members in the order of their session ids, and how many there are.
#[derive(Debug, Message)]
#[rtype(result = "(RoomSummary, Vec<Sid>)")]
pub struct InspectRoom {
    /// The room.
    pub room: RoomId,
    /// Members behind this session id; empty: from the first.
    pub after: String,
    /// So many members.
    pub limit: usize,
}

/// Ask where a member is.
#[derive(Debug, Message)]
#[rtype(result = "Option<MemberRooms>")]
pub struct InspectMember {
    /// The member.
    pub sid: Sid,
    /// So many rooms.
    pub limit: usize,
}

/// Where a member is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberRooms {
    /// Rooms that it has joined by asking, at most as many as were asked for.
    pub rooms: Vec<RoomId>,
    /// How many there are.
    pub room_count: usize,
    /// Events on their way to it.
    pub pending: usize,
}

impl RoomRegistry {
    fn summary(&self, room: &RoomId) -> RoomSummary {
        RoomSummary {
            members: self.membership.members(room).count(),
            recent_events: self.hot.of(room, Instant::now()),
            room: room.clone(),
        }
    }
}

impl Handler<GetTopRooms> for RoomRegistry {
    type Result = TopRooms;

    fn handle(&mut self, GetTopRooms(max): GetTopRooms, _ctx: &mut Self::Context) -> TopRooms {
        let mut largest = BinaryHeap::with_capacity(max + 1);
        for (room, members) in self.membership.joined_rooms().take(MAX_SCANNED) {
            largest.push(Reverse((members, room)));
            if largest.len() > max {
                largest.pop();
            }
        }
        let largest = largest.into_sorted_vec();
        let largest = largest
            .into_iter()
            .map(|Reverse((_, room))| self.summary(room));
        let busiest = self.hot.top(max, Instant::now());
        TopRooms {
            largest: largest.collect(),
            busiest: busiest.iter().map(|(room, _)| self.summary(room)).collect(),
        }
    }
}

impl Handler<ListRooms> for RoomRegistry {
    type Result = Vec<RoomSummary>;

    fn handle(&mut self, list: ListRooms, _ctx: &mut Self::Context) -> Vec<RoomSummary> {
        let mut first = BinaryHeap::new();
        for (room, _) in self.membership.joined_rooms() {
            let is_behind = list.after.as_ref().is_none_or(|after| room > after);
            if is_behind && room.as_str().contains(&list.contains) {
                first.push(room);
                if first.len() > list.limit {
                    first.pop();
                }
            }
        }
        let first = first.into_sorted_vec();
        first.into_iter().map(|room| self.summary(room)).collect()
    }
}

impl Handler<InspectRoom> for RoomRegistry {
    type Result = MessageResult<InspectRoom>;

    fn handle(&mut self, inspect: InspectRoom, _ctx: &mut Self::Context) -> Self::Result {
        let mut first = BinaryHeap::new();
        for sid in self.membership.members(&inspect.room) {
            if sid.as_str() > inspect.after.as_str() {
                first.push(sid);
                if first.len() > inspect.limit {
                    first.pop();
                }
            }
        }
        let members = first.into_sorted_vec();
        MessageResult((self.summary(&inspect.room), members))
    }
}

impl Handler<InspectMember> for RoomRegistry {
    type Result = Option<MemberRooms>;

    fn handle(&mut self, inspect: InspectMember, _ctx: &mut Self::Context) -> Self::Result {
        let rooms: Vec<&RoomId> = self.membership.joined_by(inspect.sid)?.collect();
        Some(MemberRooms {
            room_count: rooms.len(),
            rooms: rooms.into_iter().take(inspect.limit).cloned().collect(),
            pending: self.pending(inspect.sid),
        })
    }
}
