//! The status of the server: counts, never a body. `GET /admin/status` serialises it, and the metrics are read from it.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::authsocket::EventCounts;
use crate::cluster::{Cluster, ClusterPeer, ClusterStatus, NonceStatus};
use crate::db::{DbMeasures, DbStatus, DiskSpace, StoredTotals};
use crate::delivery::PaymentCounts;
use crate::ids::{IDENTITY_KEY_HEX_LEN, RoomId};
use crate::metrics::RequestCounts;
use crate::model::StoredSize;
use crate::push::PushStatus;
use crate::rooms::{RoomsStatus, TopRooms};

use super::process::ProcessUsage;

/// Characters that a shortened identity key shows.
const SHOWN: usize = 10;

#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Status)]
pub struct ServerStatus {
    /// The word `success`, always.
    pub status: &'static str,
    pub server: ServerPart,
    pub sockets: SocketsPart,
    pub rooms: RoomsAnswer,
    /// Events of sockets since the start.
    pub events: EventsPart,
    /// Completed handshakes since the start.
    pub handshakes: HandshakesPart,
    /// HTTP requests, Engine.IO polling included.
    pub http: HttpPart,
    pub database: DatabasePart,
    pub sessions: SessionsPart,
    /// Push notifications; null if they are disabled.
    pub push: Option<PushStatus>,
    pub payments: PaymentCounts,
    /// The other nodes; null if this is the only server.
    pub cluster: Option<ClusterPart>,
    /// Resources of the process, on Linux.
    pub process: Option<ProcessUsage>,
    /// Panics that were contained, or that ended a thread.
    pub panics: u64,
    /// Refusals for lack of capacity, by resource and by reason: `own_share` or `all`.
    pub refusals: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerPart {
    pub version: &'static str,
    pub uptime_seconds: u64,
    pub identity_key: String,
    pub environment: String,
    /// Threads that serve connections.
    pub workers: usize,
    /// Whether the server is shutting down.
    pub draining: bool,
    /// Checks of `/readyz` that pass; null if the checks do not answer.
    pub ready: Option<Vec<&'static str>>,
    /// Checks of `/readyz` that fail.
    pub not_ready: Option<Vec<&'static str>>,
    /// Checks that fail, and that the server can work without: `redis`, `wallet`, `headers`, `fcm`, `disk`, `clock`,
    /// `database_log`.
    pub degraded: Option<Vec<&'static str>>,
    /// Why checks fail, by check.
    pub reasons: BTreeMap<&'static str, String>,
    /// Checks that the server can work without.
    #[serde(skip)]
    pub(super) optional: Vec<&'static str>,
}

#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SocketsPart {
    pub open: usize,
    /// Sockets that are authenticated.
    pub proven: usize,
    /// Sockets that are not authenticated.
    pub unproven: usize,
    /// Identities with open sockets.
    pub identities: usize,
    pub websocket: usize,
    pub polling: usize,
    /// Maximum number of sockets.
    pub max: usize,
    /// Sockets opened since the start.
    pub opened: u64,
    /// Bytes in the outbound buffers of all sockets.
    pub outbound_bytes: u64,
    /// Largest outbound buffer of any socket, in bytes.
    pub largest_outbound_bytes: u64,
    /// Memory of all outbound buffers in bytes; shared frames count once.
    pub outbound_memory_bytes: usize,
    /// Sockets closed as slow consumers.
    pub slow_readers_cut: u64,
    /// Sockets closed since the start, by reason.
    pub ended: BTreeMap<&'static str, u64>,
    /// Open TCP connections of addresses with limits.
    pub counted_connections: usize,
}

/// The word for an actor that did not answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unresponsive {
    Unresponsive,
}

/// Whether an actor works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Responding {
    Answers,
    /// It answers that it cannot do its work.
    Fails,
    /// It does not answer in time.
    Unresponsive,
}

/// The counts of the registry, or `unresponsive`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum RoomsAnswer {
    Answered(Box<RoomsPart>),
    Not(Unresponsive),
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomsPart {
    #[serde(flatten)]
    pub counts: RoomsStatus,
    /// Microseconds until the registry answered, which grow with its mailbox.
    pub answer_micros: u64,
    #[serde(flatten)]
    pub top: TopRooms,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventsPart {
    #[serde(flatten)]
    pub counts: EventCounts,
    /// Events received per second, mean of the last 10 s.
    pub in_per_second: f64,
    /// Replies and deliveries sent per second, mean of the last 10 s.
    pub out_per_second: f64,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HandshakesPart {
    /// Completed handshakes over HTTP.
    pub http: u64,
    /// Sockets that have authenticated.
    pub sockets: u64,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpPart {
    #[serde(flatten)]
    pub counts: RequestCounts,
    /// Requests per second, mean of the last 10 s.
    pub per_second: f64,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabasePart {
    /// Whether the writer and a reader answer.
    pub executor: Responding,
    #[serde(flatten)]
    pub counts: DbStatus,
    #[serde(flatten)]
    pub measures: DbMeasures,
    /// Size of the database, measured once a minute.
    pub size: Option<StoredSize>,
    /// Stored messages per identity, counted every 10 minutes; null without quotas.
    pub stored_totals: Option<StoredTotals>,
    /// The disk of the database file; null for a database server.
    pub disk: Option<DiskSpace>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionsPart {
    /// HTTP sessions, authenticated or not.
    pub http: usize,
    /// Sessions of lost sockets, kept for a revival.
    pub lost: usize,
    /// Replayed requests and frames that were refused.
    pub replays_refused: u64,
}

/// Traffic between this node and the others. Events count once for each node.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ClusterPart {
    #[serde(flatten)]
    pub events: ClusterStatus,
    /// Nonces of requests; null if nodes share no sessions.
    pub nonces: Option<NonceStatus>,
    /// The other nodes that greeted this one in the last 10 minutes, by name.
    pub peers: Vec<ClusterPeer>,
}

impl From<&Cluster> for ClusterPart {
    fn from(cluster: &Cluster) -> Self {
        Self {
            events: cluster.status(),
            nonces: cluster.nonce_status(),
            peers: cluster.peers(),
        }
    }
}

impl ServerStatus {
    /// The status with identity keys shortened.
    #[must_use]
    pub fn shortened(&self) -> Self {
        let mut status = self.clone();
        if let RoomsAnswer::Answered(rooms) = &mut status.rooms {
            for room in rooms.top.largest.iter_mut().chain(&mut rooms.top.busiest) {
                room.room = RoomId::new(shorten(room.room.as_str()));
            }
        }
        status
    }
}

/// A text with every identity key in it shortened.
#[must_use]
pub fn shorten(text: &str) -> String {
    let mut short = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        let (run, behind) = rest.split_at_checked(digits).unwrap_or((rest, ""));
        if digits >= IDENTITY_KEY_HEX_LEN {
            short.push_str(run.get(..SHOWN).unwrap_or(run));
            short.push('…');
        } else {
            short.push_str(run);
        }
        let next = behind.chars().next().map_or(0, char::len_utf8);
        let (other, behind) = behind.split_at_checked(next).unwrap_or((behind, ""));
        short.push_str(other);
        rest = behind;
    }
    short
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn identity_keys_are_shortened_anywhere_in_a_text() {
        let key = "022f8bde4d1a07209355b4a7250a5c5128e88b84bddc619ab7cba8d569b240efe4";
        for (text, expected) in [
            (format!("{key}-inbox"), "022f8bde4d…-inbox"),
            (format!("ä {key}"), "ä 022f8bde4d…"),
            (format!("{key}{key}"), "022f8bde4d…"),
            ("lobby".to_owned(), "lobby"),
            (key.get(..65).unwrap().to_owned(), key.get(..65).unwrap()),
            (String::new(), ""),
        ] {
            assert_eq!(shorten(&text), expected);
        }
    }
}
