//! What is said of rooms: how many there are, and the largest.

use serde::Serialize;
use utoipa::ToSchema;

/// An actor did not answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unresponsive {
    /// The only word.
    Unresponsive,
}

/// Whether an actor answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Responding {
    /// In time.
    Answers,
    /// It says that it cannot do its work.
    Fails,
    /// Not in time.
    Unresponsive,
}

/// The registry's counts, or `unresponsive`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum RoomsAnswer {
    /// It answered.
    Answered(Box<RoomsPart>),
    /// It did not.
    Not(Unresponsive),
}

/// Rooms.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomsPart {
    /// Rooms that somebody has joined by asking.
    pub rooms: usize,
    /// Members that are taken in.
    pub members: usize,
    /// Events whose room had members.
    pub published: u64,
    /// Events handed to members.
    pub deliveries: u64,
    /// Members that were cut off because they lagged.
    pub lagging: u64,
    /// Events that were too large to be delivered; they are found by listing.
    pub too_large: u64,
    /// Microseconds until the registry answered: as long as its mailbox is.
    pub answer_micros: u64,
    /// The rooms with the most members.
    pub largest: Vec<RoomPart>,
    /// The rooms with the most events in the last five minutes.
    pub busiest: Vec<RoomPart>,
}

/// A room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomPart {
    /// Its id; the identity in it shortened unless asked for in full.
    pub room: String,
    /// Its members.
    pub members: usize,
    /// Events in the last five minutes, an estimate; null where it is not among the rooms with the most.
    pub recent_events: Option<u64>,
}
