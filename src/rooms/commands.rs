//! What the registry is told and asked, and what it tells members.

use std::sync::Arc;

use actix::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::SharedPayload;
use crate::ids::{IdentityKey, RoomId, Sid};

use super::backlog::Arrival;

/// Take this member in: its identity is proven. From its own thread.
#[derive(Debug)]
pub struct Admit {
    /// The member.
    pub sid: Sid,
    /// Who it has proven to be.
    pub identity: IdentityKey,
    /// Where its events go.
    pub deliver: Recipient<Deliver>,
    /// Where it is told that it lags.
    pub lagging: Recipient<Lagging>,
}

/// This member joins a room; whether it may has been decided.
#[derive(Debug)]
pub struct Join {
    /// The member.
    pub sid: Sid,
    /// The room.
    pub room: RoomId,
}

/// This member leaves a room.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Leave {
    /// The member.
    pub sid: Sid,
    /// The room.
    pub room: RoomId,
}

/// This member is gone. From its own thread.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Gone {
    /// The member.
    pub sid: Sid,
}

/// Deliver this event to the members of a room.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Publish {
    /// The room.
    pub room: RoomId,
    /// The event, encoded and hashed once for all of them.
    pub payload: SharedPayload,
}

/// To a member: events of one of its rooms, in their order. It signs and frames; all else is done.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Deliver {
    /// The events.
    pub payloads: Arc<[SharedPayload]>,
    /// Counts the events as under way until this command is handled.
    pub arrival: Arrival,
}

/// To a member: it has left so many events unhandled that it gets no more. Sent once.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Lagging;

/// Ask for counts.
#[derive(Debug, Message)]
#[rtype(result = "RoomsStatus")]
pub struct GetStatus;

/// Counts of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, MessageResponse, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomsStatus {
    /// Rooms that somebody has joined by asking.
    pub rooms: usize,
    /// Members that are taken in.
    pub members: usize,
    /// Events that were encoded because their room had members.
    pub published: u64,
    /// Events handed to members.
    pub deliveries: u64,
    /// Members that lagged.
    pub lagging: u64,
    /// Events that were too large to be delivered, or in rooms whose names clients cannot read.
    pub too_large: u64,
}
