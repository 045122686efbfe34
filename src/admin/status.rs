//! What is said of the server: counts, never a body. Also the form of `GET /admin/status`.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::ids::IDENTITY_KEY_HEX_LEN;
use crate::metrics::Distribution;

use super::admission::RefusalsPart;
use super::neighbours::ClusterPart;
use super::rooms::{Responding, RoomsAnswer};
use super::storage::{DiskPart, StoredTotalsPart};

/// Characters of an identity key that are shown where keys are shortened.
const SHOWN: usize = 10;

/// How the server is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Status {
    /// Always `success`.
    pub status: &'static str,
    /// Who it is.
    pub server: ServerPart,
    /// Connected sockets.
    pub sockets: SocketsPart,
    /// The registry's answer.
    pub rooms: RoomsAnswer,
    /// Events of sockets.
    pub events: EventsPart,
    /// Handshakes that came to something.
    pub handshakes: HandshakesPart,
    /// HTTP requests, those of polling among them.
    pub http: HttpPart,
    /// The database.
    pub database: DatabasePart,
    /// Sessions.
    pub sessions: SessionsPart,
    /// Push notifications, where they are enabled.
    pub push: Option<PushPart>,
    /// Payments.
    pub payments: PaymentsPart,
    /// Other nodes, where there are any.
    pub cluster: Option<ClusterPart>,
    /// What the process takes; on Linux.
    pub process: Option<ProcessPart>,
    /// Panics that were contained, or ended a thread.
    pub panics: u64,
    /// What was refused for lack of room, by resource and there by reason: `own_share` or `all`.
    pub refusals: RefusalsPart,
}

/// Who the server is.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerPart {
    /// Of the program.
    pub version: &'static str,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Its own identity key.
    pub identity_key: String,
    /// As it was configured.
    pub environment: String,
    /// Threads that serve connections.
    pub workers: usize,
    /// Whether it is going down.
    pub draining: bool,
    /// What `/readyz` checks and finds in order; null where the checks do not answer.
    pub ready: Option<Vec<&'static str>>,
    /// What it finds not in order.
    pub not_ready: Option<Vec<&'static str>>,
    /// What it finds not in order, and the server does without meanwhile: `redis`, `wallet`, `headers`, `fcm`, `disk`,
    /// `clock`, `database_log`.
    pub degraded: Option<Vec<&'static str>>,
    /// Why that is so, by name.
    pub reasons: BTreeMap<&'static str, String>,
    /// What of all this the server could do without.
    #[serde(skip)]
    #[schema(ignore)]
    pub(super) optional: Vec<&'static str>,
}

/// Connected sockets.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SocketsPart {
    /// Open now.
    pub open: usize,
    /// Those that have proven an identity.
    pub proven: usize,
    /// Those that have not.
    pub unproven: usize,
    /// Identities that have sockets.
    pub identities: usize,
    /// On websockets.
    pub websocket: usize,
    /// On polling.
    pub polling: usize,
    /// As many as there may be.
    pub max: usize,
    /// Began since the start.
    pub opened: u64,
    /// Bytes that wait for all of them.
    pub outbound_bytes: u64,
    /// Bytes that wait for the one that has most.
    pub largest_outbound_bytes: u64,
    /// Memory of what waits for sockets: what several share counts once.
    pub outbound_memory_bytes: usize,
    /// Sockets that were cut off because they did not read.
    pub slow_readers_cut: u64,
    /// Ended since the start, by reason.
    pub ended: BTreeMap<&'static str, u64>,
    /// TCP connections of addresses that are counted.
    pub counted_connections: usize,
}

/// Where values lie: at least so many percent of them are not above this.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Percentiles {
    /// How many values.
    pub count: u64,
    /// 50 percent.
    pub p50: u64,
    /// 95 percent.
    pub p95: u64,
    /// 99 percent.
    pub p99: u64,
    /// The largest.
    pub max: u64,
    #[serde(skip)]
    #[schema(ignore)]
    pub(super) whole: Distribution,
}

impl From<Distribution> for Percentiles {
    fn from(whole: Distribution) -> Self {
        Self {
            count: whole.count(),
            p50: whole.percentile(0.5),
            p95: whole.percentile(0.95),
            p99: whole.percentile(0.99),
            max: whole.max,
            whole,
        }
    }
}

impl Percentiles {
    /// Of the values that came after an earlier look.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        self.whole.since(&earlier.whole).into()
    }
}

/// Events of sockets.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventsPart {
    /// Verified events that came, by name.
    pub received: BTreeMap<&'static str, u64>,
    /// Events that were sent in answer to one.
    pub answers: u64,
    /// Messages that were acknowledged to their senders.
    pub acks: u64,
    /// Messages that were refused, by reason.
    pub failures: BTreeMap<&'static str, u64>,
    /// Auth messages that were refused.
    pub refused_frames: u64,
    /// Frames that were held for a proof.
    pub held_frames: u64,
    /// Frames that wait until the clients of their sockets can verify them.
    pub waiting_frames: u64,
    /// Deliveries that were dropped because too many waited; they are listed.
    pub dropped_deliveries: u64,
    /// Came, in a second of the last ten.
    pub in_per_second: f64,
    /// Were sent, answers and deliveries, in a second of the last ten.
    pub out_per_second: f64,
    /// From a message to its answer.
    pub answer_micros: Percentiles,
}

/// Handshakes that came to something.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HandshakesPart {
    /// Over HTTP.
    pub http: u64,
    /// Sockets that proved an identity.
    pub sockets: u64,
}

/// HTTP requests.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpPart {
    /// By route and class of status.
    pub requests: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// Failures by code.
    pub failures: BTreeMap<&'static str, u64>,
    /// Connections that ended by an error of their client: `tls` (to a port without TLS), `bad_request`, `head_too_large`,
    /// `timeout`, `disconnected`.
    pub connection_errors: BTreeMap<&'static str, u64>,
    /// In a second of the last ten.
    pub per_second: f64,
    /// From a request to its answer, those of sockets left out.
    pub answer_micros: Percentiles,
    /// How late a worker comes to what waits for it.
    pub worker_delay_micros: Percentiles,
    /// How much of that the worker itself was busy.
    pub worker_busy_micros: Percentiles,
    /// Messages that a list named in `oversized` instead of showing them. Each list counts them anew.
    pub oversized: u64,
}

/// The database.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabasePart {
    /// Whether its writer and a reader answer.
    pub executor: Responding,
    /// Writes that wait.
    pub queued_writes: usize,
    /// Reads that wait or are being made.
    pub reads: usize,
    /// Messages that are stored and were not handed to their rooms yet.
    pub undelivered: usize,
    /// Transactions that were committed.
    pub commits: u64,
    /// Writes in them.
    pub writes: u64,
    /// Messages that were stored.
    pub stored: u64,
    /// Writes that failed.
    pub failures: u64,
    /// Writes in one transaction.
    pub group_size: Percentiles,
    /// From the start of a transaction to the end of its commit.
    pub commit_micros: Percentiles,
    /// What a read takes.
    pub read_micros: Percentiles,
    /// Connections of the pool.
    pub connections: u32,
    /// Those that nobody uses.
    pub idle_connections: u32,
    /// How much it holds, asked once a minute.
    pub size: Option<SizePart>,
    /// What identities have stored, looked at every ten minutes; null where nothing is limited.
    pub stored_totals: Option<StoredTotalsPart>,
    /// The disk of the database's file; null where the database is a server.
    pub disk: Option<DiskPart>,
}

/// How much the database holds.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SizePart {
    /// Bytes of its tables and indexes, free space in them included.
    pub bytes: u64,
    /// Bytes of it that nothing uses; PostgreSQL does not say.
    pub free_bytes: Option<u64>,
    /// Messages that are stored: counted in SQLite, estimated by the servers.
    pub messages: u64,
    /// Seconds that the oldest of them has been stored.
    pub oldest_message_seconds: Option<f64>,
}

/// Sessions.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionsPart {
    /// Of HTTP, proven and not.
    pub http: usize,
    /// Of sockets that were lost, kept for a while.
    pub lost: usize,
    /// Requests and frames that had come before and were refused.
    pub replays_refused: u64,
}

/// Push notifications.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushPart {
    /// Wait or are under way.
    pub pending: usize,
    /// Devices that were notified.
    pub sent: u64,
    /// Tries that were put off.
    pub retried: u64,
    /// Tokens that no device has any more.
    pub dead_tokens: u64,
    /// Devices that were not notified.
    pub failed: u64,
    /// Notifications that Firebase refuses for the project or its account, whoever the device is.
    pub refused: u64,
    /// Notifications for which there was no room.
    pub dropped: u64,
}

/// Payments.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentsPart {
    /// Checked and found to pay what is due.
    pub checked: u64,
    /// Found not to.
    pub refused: u64,
    /// Given up: what was paid for came to nothing.
    pub given_up: u64,
}

/// What the process takes.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcessPart {
    /// Bytes of memory.
    pub resident_bytes: u64,
    /// Seconds of processors, in all.
    pub cpu_seconds: f64,
    /// Threads.
    pub threads: u64,
    /// Open files and connections.
    pub open_files: usize,
}

impl Status {
    /// With identities shortened.
    #[must_use]
    pub fn shortened(&self) -> Self {
        let mut status = self.clone();
        if let RoomsAnswer::Answered(rooms) = &mut status.rooms {
            for room in rooms.largest.iter_mut().chain(&mut rooms.busiest) {
                room.room = shorten(&room.room);
            }
        }
        status
    }
}

/// A text with every identity key in it cut short.
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
    fn keys_are_cut_short_wherever_they_stand() {
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
