//! Collects the status: reads the counters, and asks actors for what they alone have.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::authsocket::{AuthSocketService, AuthSocketSession};
use crate::cluster::Cluster;
use crate::db::DbHandle;
use crate::delivery::Delivery;
use crate::engineio::TransportKind;
use crate::health::{Health, Readiness};
use crate::ids::IdentityKey;
use crate::limits::refusals;
use crate::metrics::{RequestCounts, nested};
use crate::panics;
use crate::push::PushHandle;
use crate::rooms::{GetTopRooms, RoomsHandle};
use crate::socket::SocketTable;

use super::history::Figures;
use super::process;
use super::rates::{Counts, PerSecond};
use super::status::{
    ClusterPart, DatabasePart, EventsPart, HandshakesPart, HttpPart, Responding, RoomsAnswer,
    RoomsPart, ServerPart, ServerStatus, SessionsPart, SocketsPart, Unresponsive,
};

/// How long an actor may take to answer.
pub const DEADLINE: Duration = Duration::from_millis(500);

/// Rooms in each of the two lists.
const TOP: usize = 10;

/// The route under which HTTP handshakes are counted.
const HANDSHAKE_ROUTE: &str = "/.well-known/auth";

/// What does not change while the server runs.
#[derive(Debug, Clone)]
pub struct Facts {
    pub identity_key: IdentityKey,
    pub environment: String,
    /// Threads that serve connections.
    pub workers: usize,
    pub started: Instant,
}

/// Where the status comes from.
#[derive(Clone)]
pub struct StatusSources {
    pub facts: Facts,
    pub sockets: Arc<SocketTable<AuthSocketSession>>,
    pub service: Arc<AuthSocketService>,
    pub rooms: RoomsHandle,
    pub db: DbHandle,
    pub delivery: Delivery,
    pub requests: Arc<RequestCounts>,
    /// Counts the HTTP sessions.
    pub sessions: Arc<dyn Fn() -> usize + Send + Sync>,
    pub push: Option<PushHandle>,
    pub cluster: Option<Cluster>,
    pub health: Health,
}

impl fmt::Debug for StatusSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusSources")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

impl StatusSources {
    /// The counts for rates. `deliveries` is the registry's last answer, which counts until it answers again.
    pub(super) async fn counts(&self, deliveries: &mut u64) -> Counts {
        if let Ok(Some(rooms)) = tokio::time::timeout(DEADLINE, self.rooms.status()).await {
            *deliveries = rooms.deliveries;
        }
        let counters = &self.service.counters;
        Counts {
            events_in: counters.events.total(),
            events_out: counters.answers.get() + *deliveries,
            requests: self.requests.answered.total(),
        }
    }

    /// Collects the status. This takes little longer than [`DEADLINE`], even if actors do not answer.
    pub(super) async fn status(&self, rates: PerSecond) -> ServerStatus {
        let readiness = tokio::time::timeout(DEADLINE, self.health.readiness());
        let (rooms, executor, readiness) = tokio::join!(self.rooms(), self.executor(), readiness);
        let (counters, requests) = (&self.service.counters, &self.requests);
        ServerStatus {
            status: "success",
            server: self.server(readiness.ok()),
            sockets: self.sockets(),
            rooms,
            events: EventsPart {
                counts: counters.clone(),
                in_per_second: rates.events_in,
                out_per_second: rates.events_out,
            },
            handshakes: HandshakesPart {
                http: (requests.answered.get().get(&(HANDSHAKE_ROUTE, "2xx")))
                    .copied()
                    .unwrap_or_default(),
                sockets: counters.proven.get(),
            },
            http: HttpPart {
                counts: (**requests).clone(),
                per_second: rates.requests,
            },
            // After the checks, so that the write of their probe has left the queue.
            database: DatabasePart {
                executor,
                counts: self.db.status(),
                measures: self.db.measures(),
                size: self.db.size(),
                stored_totals: self.db.totals(),
                disk: self.db.disk(),
            },
            sessions: SessionsPart {
                http: (self.sessions)(),
                lost: self.service.lost_count(),
                replays_refused: counters.replayed.get() + requests.replayed.get(),
            },
            push: self.push.as_ref().map(PushHandle::status),
            payments: self.delivery.payments().clone(),
            cluster: self.cluster.as_ref().map(ClusterPart::from),
            process: process::usage(),
            panics: panics::count(),
            refusals: nested(refusals().counts()),
        }
    }

    /// The figures for the history; asks no actor.
    pub(super) fn figures(&self, deliveries: u64) -> Figures {
        Figures {
            at: Instant::now(),
            sockets: self.sockets(),
            events: self.service.counters.clone(),
            requests: (*self.requests).clone(),
            writes: self.db.status(),
            database: self.db.measures(),
            process: process::usage(),
            deliveries,
        }
    }

    fn server(&self, readiness: Option<Readiness>) -> ServerPart {
        let is_known = readiness.is_some();
        let readiness = readiness.unwrap_or_default();
        ServerPart {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: self.facts.started.elapsed().as_secs(),
            identity_key: self.facts.identity_key.to_hex(),
            environment: self.facts.environment.clone(),
            workers: self.facts.workers,
            draining: self.health.is_draining(),
            ready: is_known.then_some(readiness.ready),
            not_ready: is_known.then_some(readiness.not_ready),
            degraded: is_known.then_some(readiness.degraded),
            reasons: readiness.reasons,
            optional: readiness.optional,
        }
    }

    async fn rooms(&self) -> RoomsAnswer {
        let began = Instant::now();
        let answer = tokio::time::timeout(DEADLINE, async {
            let counts = self.rooms.status().await?;
            let answered_after = began.elapsed();
            let top = self.rooms.registry().send(GetTopRooms(TOP)).await.ok()?;
            Some(RoomsPart {
                counts,
                answer_micros: u64::try_from(answered_after.as_micros()).unwrap_or(u64::MAX),
                top,
            })
        });
        match answer.await {
            Ok(Some(rooms)) => RoomsAnswer::Answered(Box::new(rooms)),
            _ => RoomsAnswer::Not(Unresponsive::Unresponsive),
        }
    }

    async fn executor(&self) -> Responding {
        match tokio::time::timeout(DEADLINE, self.db.ping(DEADLINE * 2)).await {
            Ok(Ok(())) => Responding::Answers,
            Ok(Err(_)) => Responding::Fails,
            Err(_) => Responding::Unresponsive,
        }
    }

    fn sockets(&self) -> SocketsPart {
        let mut part = SocketsPart {
            max: self.sockets.max_sockets(),
            opened: self.sockets.counts.opened.get(),
            ended: self.sockets.counts.ends().collect(),
            identities: self.service.identities.owners(),
            outbound_memory_bytes: self.sockets.outbound().held(),
            counted_connections: self.service.addresses.connection_count(),
            ..SocketsPart::default()
        };
        part.slow_readers_cut = part.ended.get("slow_consumer").copied().unwrap_or_default();
        self.sockets.for_each(|_, record| {
            part.open += 1;
            match record.transport() {
                TransportKind::Websocket => part.websocket += 1,
                TransportKind::Polling => part.polling += 1,
            }
            match record.identity() {
                Some(_) => part.proven += 1,
                None => part.unproven += 1,
            }
            let bytes = u64::try_from(record.outbound_bytes()).unwrap_or(u64::MAX);
            part.outbound_bytes = part.outbound_bytes.saturating_add(bytes);
            part.largest_outbound_bytes = part.largest_outbound_bytes.max(bytes);
        });
        part
    }
}
