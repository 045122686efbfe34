//! Messages to the registry, and from it to members.

use std::sync::Arc;

use actix::prelude::*;
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::SharedPayload;
use crate::ids::{IdentityKey, RoomId, Sid};
use crate::telemetry::TraceId;

use super::backlog::Arrival;
use super::dedup_window::EventKey;

/// An authenticated socket that becomes a member.
#[derive(Debug)]
pub struct Admit {
    /// The socket's session id.
    pub sid: Sid,
    /// The identity that the socket has authenticated.
    pub identity: IdentityKey,
    /// Receives the member's events.
    pub deliver: Recipient<Deliver>,
    /// Receives the notice that the member is too slow.
    pub slow_consumer: Recipient<SlowConsumer>,
}

/// Publishes an event to the members of a room.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Publish {
    /// The room that gets the event.
    pub room: RoomId,
    /// The event, encoded and hashed once for all members.
    pub payload: SharedPayload,
}

/// The messages of one commit, as a message to the registry. It publishes their events in the order of storing.
pub trait StoredBatch: Message<Result = ()> + Send + 'static {
    /// One stored message of the commit.
    type Stored: StoredEvent;

    /// The messages in the order of storing.
    fn messages(&self) -> &[Self::Stored];
}

/// What the registry needs of a stored message to publish its event.
pub trait StoredEvent {
    /// The room that gets the event. `None` for a message that is only listed.
    fn room(&self) -> Option<RoomId>;

    /// Whether the event has at most `max` bytes.
    fn fits(&self, max: usize) -> bool;

    /// The event's key, the same on every node.
    fn key(&self) -> EventKey;

    /// The id of the message, where the store returned it.
    fn id(&self) -> Option<i64>;

    /// The trace id for the log lines of the message.
    fn trace(&self) -> Option<TraceId>;

    /// Encodes the event. Called only if somebody may receive it.
    fn encode(&self, room: &RoomId) -> Bytes;
}

/// To a member: events of one of its rooms, in order. The member signs and frames them.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Deliver {
    /// The events, shared by all members on the worker.
    pub payloads: Arc<[SharedPayload]>,
    /// Counts the events as in flight until it is dropped.
    pub arrival: Arrival,
}

/// To a member: it has too many unhandled events and gets no more. Sent once.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SlowConsumer;

/// Asks the registry for its counts.
#[derive(Debug, Message)]
#[rtype(result = "RoomsStatus")]
pub struct GetRoomsStatus;

/// Counts of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, MessageResponse, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomsStatus {
    /// Rooms that at least one member joined by asking.
    pub rooms: usize,
    /// Members of any room, now.
    pub members: usize,
    /// Events that were encoded because their room had members.
    pub published: u64,
    /// Events sent to members, counted once for each member.
    pub deliveries: u64,
    /// Members that were disconnected as slow consumers.
    pub lagging: u64,
    /// Events that were too large, or in rooms whose names clients cannot read.
    pub too_large: u64,
}
