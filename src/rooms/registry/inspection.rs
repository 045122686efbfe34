//! The registry's answers to admin requests: the rooms, the members of a room, the rooms of a member.
//!
//! Answers are bounded. Each costs a pass over the rooms on the registry's thread.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use actix::prelude::*;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::ids::{RoomId, Sid};

use super::RoomRegistry;

/// Most rooms that [`GetTopRooms`] scans: the dashboard asks every second.
const MAX_SCANNED: usize = 50_000;

/// A room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomSummary {
    /// Its id.
    #[serde(serialize_with = "room_text")]
    #[schema(value_type = String)]
    pub room: RoomId,
    /// The members that joined the room, and the sockets of its owner.
    pub members: usize,
    /// Estimated events of the last five minutes, if the room is among the busiest.
    pub recent_events: Option<u64>,
}

fn room_text<S: Serializer>(room: &RoomId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(room.as_str())
}

/// The largest and the busiest rooms.
#[derive(Debug, Clone, PartialEq, Eq, Default, MessageResponse, Serialize, ToSchema)]
pub struct TopRooms {
    /// The rooms with the most members, of those that a member joined by asking.
    pub largest: Vec<RoomSummary>,
    /// The rooms with the most events in the last five minutes.
    pub busiest: Vec<RoomSummary>,
}

/// Asks for up to so many of the largest and of the busiest rooms.
#[derive(Debug, Message)]
#[rtype(result = "TopRooms")]
pub struct GetTopRooms(pub usize);

/// Lists rooms that a member joined by asking, in the order of their ids.
#[derive(Debug, Message)]
#[rtype(result = "Vec<RoomSummary>")]
pub struct ListRooms {
    /// Lists only rooms whose ids contain this text.
    pub contains: String,
    /// Lists only rooms after this id.
    pub after: Option<RoomId>,
    /// The maximum number of rooms.
    pub limit: usize,
}

/// Asks for the members of a room in the order of their session ids, and for their number.
#[derive(Debug, Message)]
#[rtype(result = "(RoomSummary, Vec<Sid>)")]
pub struct InspectRoom {
    /// The room to inspect.
    pub room: RoomId,
    /// Lists only members after this session id; empty starts at the first.
    pub after: String,
    /// The maximum number of members.
    pub limit: usize,
}

/// Asks for the rooms of a member.
#[derive(Debug, Message)]
#[rtype(result = "Option<MemberRooms>")]
pub struct InspectMember {
    /// The session id of the member.
    pub sid: Sid,
    /// The maximum number of rooms.
    pub limit: usize,
}

/// The rooms of a member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberRooms {
    /// Rooms that the member joined by asking, up to the limit.
    pub rooms: Vec<RoomId>,
    /// The number of all those rooms.
    pub room_count: usize,
    /// Events that the member has not handled yet.
    pub pending: usize,
}

/// The `max` smallest items in order, without sorting all.
fn smallest<T: Ord>(items: impl Iterator<Item = T>, max: usize) -> Vec<T> {
    let mut heap = BinaryHeap::new();
    for item in items {
        heap.push(item);
        if heap.len() > max {
            heap.pop();
        }
    }
    heap.into_sorted_vec()
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
        let rooms = self.membership.joined_rooms().take(MAX_SCANNED);
        let largest = smallest(rooms.map(|(room, members)| Reverse((members, room))), max);
        let largest = largest.iter().map(|Reverse((_, room))| self.summary(room));
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
        let rooms = self.membership.joined_rooms().map(|(room, _)| room);
        let rooms = rooms.filter(|room| {
            let is_after = list.after.as_ref().is_none_or(|after| *room > after);
            is_after && room.as_str().contains(&list.contains)
        });
        let first = smallest(rooms, list.limit);
        first.into_iter().map(|room| self.summary(room)).collect()
    }
}

impl Handler<InspectRoom> for RoomRegistry {
    type Result = MessageResult<InspectRoom>;

    fn handle(&mut self, inspect: InspectRoom, _ctx: &mut Self::Context) -> Self::Result {
        let members = self.membership.members(&inspect.room);
        let members = members.filter(|sid| sid.as_str() > inspect.after.as_str());
        let members = smallest(members, inspect.limit);
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
