//! What the routes of admins reply with.

use serde::Serialize;
use utoipa::ToSchema;

use crate::rooms::RoomSummary;

/// Rooms that somebody has joined by asking, by their ids.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct RoomList {
    /// Always `success`.
    pub(super) status: &'static str,
    /// The rooms.
    pub(super) rooms: Vec<RoomSummary>,
    /// `after` of the next page; null: there are no more.
    pub(super) next: Option<String>,
}

/// A room.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct RoomDetail {
    /// Always `success`.
    pub(super) status: &'static str,
    /// The room.
    pub(super) room: RoomSummary,
    /// Its members, by their session ids.
    pub(super) members: Vec<SocketItem>,
    /// `after` of the next page; null: there are no more.
    pub(super) next: Option<String>,
}

/// Sockets, by their session ids.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct SocketList {
    /// Always `success`.
    pub(super) status: &'static str,
    /// The sockets.
    pub(super) sockets: Vec<SocketItem>,
    /// `after` of the next page; null: there are no more.
    pub(super) next: Option<String>,
}

/// A socket.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct SocketItem {
    /// Its session id.
    pub(super) sid: String,
    /// Whom it has proven to be; shortened unless asked for in full.
    pub(super) identity: Option<String>,
    /// `polling` or `websocket`.
    pub(super) transport: &'static str,
    /// Seconds since it began.
    pub(super) open_seconds: u64,
    /// Bytes that wait for it.
    pub(super) outbound_bytes: usize,
    /// The other end of the connection that began it; null unless asked for in full.
    pub(super) address: Option<String>,
}

/// A socket and where it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct SocketDetail {
    /// Always `success`.
    pub(super) status: &'static str,
    /// The socket.
    pub(super) socket: SocketItem,
    /// Rooms that it has joined by asking, at most as many as `limit` says.
    pub(super) rooms: Vec<String>,
    /// How many there are.
    pub(super) room_count: usize,
    /// Events on their way to it.
    pub(super) pending: usize,
}

/// Sockets were told to end.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Disconnected {
    /// Always `success`.
    pub(super) status: &'static str,
    /// How many.
    pub(super) disconnected: usize,
}

/// The server goes down.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Accepted {
    /// Always `success`.
    pub(super) status: &'static str,
    /// Always `true`.
    pub(super) draining: bool,
}

/// What is logged from now on.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct LogLevel {
    /// Always `success`.
    pub(super) status: &'static str,
    /// The filter.
    pub(super) level: String,
}
