//! Asks everybody: what is counted is read, what an actor alone knows it is asked for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::authsocket::{AuthSocketService, AuthSocketSession};
use crate::cluster::Cluster;
use crate::db::DbHandle;
use crate::delivery::Delivery;
use crate::engineio::TransportKind;
use crate::health::{Health, Readiness};
use crate::ids::IdentityKey;
use crate::limits::refusals;
use crate::metrics::RequestCounts;
use crate::panics;
use crate::push::{PushHandle, PushStatus};
use crate::rooms::{GetTopRooms, RoomSummary, RoomsHandle};
use crate::socket::SocketTable;

use super::history::Figures;
use super::neighbours::ClusterPart;
use super::rates::{Counts, PerSecond};
use super::rooms::{Responding, RoomPart, RoomsAnswer, RoomsPart, Unresponsive};
use super::status::{
    DatabasePart, EventsPart, HandshakesPart, HttpPart, PaymentsPart, ProcessPart, PushPart,
    ServerPart, SessionsPart, SizePart, SocketsPart, Status,
};
use super::{admission, process};

/// How long an actor may take to answer.
pub const DEADLINE: Duration = Duration::from_millis(500);

/// Rooms in each of the two lists.
const TOP: usize = 10;

/// Where the handshakes of HTTP are counted.
const HANDSHAKE_ROUTE: &str = "/.well-known/auth";

/// What does not change while the server runs.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Who it is.
    pub identity_key: IdentityKey,
    /// As it was configured.
    pub environment: String,
    /// Threads that serve connections.
    pub workers: usize,
    /// When it started.
    pub started: Instant,
}

/// Whom to ask.
#[derive(Clone)]
pub struct Sources {
    /// What does not change.
    pub facts: Facts,
    /// The sockets.
    pub sockets: Arc<SocketTable<AuthSocketSession>>,
    /// What they share and count.
    pub service: Arc<AuthSocketService>,
    /// The rooms.
    pub rooms: RoomsHandle,
    /// The database.
    pub db: DbHandle,
    /// Payments.
    pub delivery: Delivery,
    /// HTTP requests.
    pub requests: Arc<RequestCounts>,
    /// How many sessions of HTTP there are.
    pub sessions: Arc<dyn Fn() -> usize + Send + Sync>,
    /// Push notifications, where they are enabled.
    pub push: Option<PushHandle>,
    /// The other nodes, where there are any.
    pub cluster: Option<Cluster>,
    /// The checks of `/readyz`.
    pub health: Health,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

impl Sources {
    /// What rates are made of. `deliveries` is what the registry said last, which counts for as long as it does not answer.
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

    /// How the server is. Takes little longer than [`DEADLINE`], whoever does not answer.
    pub(super) async fn status(&self, rates: PerSecond) -> Status {
        let readiness = tokio::time::timeout(DEADLINE, self.health.readiness());
        let (rooms, executor, readiness) = tokio::join!(self.rooms(), self.executor(), readiness);
        let readiness = readiness.ok();
        let payments = self.delivery.payments();
        Status {
            status: "success",
            server: self.server(readiness),
            sockets: self.sockets(),
            rooms,
            events: self.events(rates),
            handshakes: self.handshakes(),
            http: self.http(rates),
            // After the checks: their own write is none that waits.
            database: self.database(executor),
            sessions: self.sessions_part(),
            push: self.push.as_ref().map(|push| push_part(push.status())),
            payments: PaymentsPart {
                checked: payments.checked.get(),
                refused: payments.refused.get(),
                given_up: payments.given_up.get(),
            },
            cluster: self.cluster.as_ref().map(ClusterPart::from),
            process: process_part(),
            panics: panics::count(),
            refusals: admission::part(refusals()),
        }
    }

    /// What the history is made of; nobody is asked.
    pub(super) fn figures(&self, deliveries: u64) -> Figures {
        let no_rates = PerSecond::default();
        Figures {
            at: Instant::now(),
            sockets: self.sockets(),
            events: self.events(no_rates),
            http: self.http(no_rates),
            database: self.database(Responding::Answers),
            process: process_part(),
            deliveries,
        }
    }

    fn server(&self, readiness: Option<Readiness>) -> ServerPart {
        let is_known = readiness.is_some();
        let Readiness {
            ready,
            degraded,
            not_ready,
            optional,
            reasons,
        } = readiness.unwrap_or_default();
        ServerPart {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: self.facts.started.elapsed().as_secs(),
            identity_key: self.facts.identity_key.to_hex(),
            environment: self.facts.environment.clone(),
            workers: self.facts.workers,
            draining: self.health.is_draining(),
            ready: is_known.then_some(ready),
            not_ready: is_known.then_some(not_ready),
            degraded: is_known.then_some(degraded),
            reasons,
            optional,
        }
    }

    async fn rooms(&self) -> RoomsAnswer {
        let asked = Instant::now();
        let answer = tokio::time::timeout(DEADLINE, async {
            let status = self.rooms.status().await?;
            let answered_after = asked.elapsed();
            let top = self.rooms.registry().send(GetTopRooms(TOP)).await.ok()?;
            Some((status, answered_after, top))
        });
        let Ok(Some((status, answered_after, top))) = answer.await else {
            return RoomsAnswer::Not(Unresponsive::Unresponsive);
        };
        RoomsAnswer::Answered(Box::new(RoomsPart {
            rooms: status.rooms,
            members: status.members,
            published: status.published,
            deliveries: status.deliveries,
            lagging: status.lagging,
            too_large: status.too_large,
            answer_micros: u64::try_from(answered_after.as_micros()).unwrap_or(u64::MAX),
            largest: top.largest.into_iter().map(RoomPart::from).collect(),
            busiest: top.busiest.into_iter().map(RoomPart::from).collect(),
        }))
    }

    async fn executor(&self) -> Responding {
        match tokio::time::timeout(DEADLINE, self.db.ping(DEADLINE * 2)).await {
            Ok(Ok(())) => Responding::Answers,
            Ok(Err(_)) => Responding::Fails,
            Err(_) => Responding::Unresponsive,
        }
    }

    fn database(&self, executor: Responding) -> DatabasePart {
        let (status, measures) = (self.db.status(), self.db.measures());
        DatabasePart {
            executor,
            queued_writes: status.queued_writes,
            reads: measures.reads,
            undelivered: measures.undelivered,
            commits: status.commits,
            writes: status.writes,
            stored: status.stored,
            failures: status.failures,
            group_size: measures.group_sizes.into(),
            commit_micros: measures.commit_time.into(),
            read_micros: measures.read_time.into(),
            connections: measures.connections,
            idle_connections: measures.idle_connections,
            size: self.db.size().map(|size| SizePart {
                bytes: size.bytes,
                free_bytes: size.free_bytes,
                messages: size.messages,
                oldest_message_seconds: size.oldest_message.map(|age| age.as_secs_f64()),
            }),
            stored_totals: self.db.totals().map(Into::into),
            disk: self.db.disk().map(Into::into),
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

    fn events(&self, rates: PerSecond) -> EventsPart {
        let counters = &self.service.counters;
        EventsPart {
            received: counters.events.get(),
            answers: counters.answers.get(),
            acks: counters.acks.get(),
            failures: counters.failures.get(),
            refused_frames: counters.refused.load(Ordering::Relaxed),
            held_frames: counters.held.load(Ordering::Relaxed),
            waiting_frames: counters.waiting.load(Ordering::Relaxed),
            dropped_deliveries: counters.dropped.get(),
            in_per_second: rates.events_in,
            out_per_second: rates.events_out,
            answer_micros: counters.answer_time.get().into(),
        }
    }

    fn handshakes(&self) -> HandshakesPart {
        let answered = self.requests.answered.get();
        let http = answered.get(&(HANDSHAKE_ROUTE, "2xx"));
        HandshakesPart {
            http: http.copied().unwrap_or_default(),
            sockets: self.service.counters.proven.get(),
        }
    }

    fn http(&self, rates: PerSecond) -> HttpPart {
        let mut part = HttpPart {
            requests: std::collections::BTreeMap::new(),
            failures: self.requests.failures.get(),
            connection_errors: self.requests.connection_errors.get(),
            per_second: rates.requests,
            answer_micros: self.requests.time.get().into(),
            worker_delay_micros: self.requests.worker_delay.get().into(),
            worker_busy_micros: self.requests.worker_busy.get().into(),
            oversized: self.requests.oversized.get(),
        };
        for ((route, class), count) in self.requests.answered.get() {
            part.requests.entry(route).or_default().insert(class, count);
        }
        part
    }

    fn sessions_part(&self) -> SessionsPart {
        let lost = self.service.lost_count();
        let replayed = &self.service.counters.replayed;
        SessionsPart {
            http: (self.sessions)(),
            lost,
            replays_refused: replayed.get() + self.requests.replayed.get(),
        }
    }
}

impl From<RoomSummary> for RoomPart {
    fn from(room: RoomSummary) -> Self {
        Self {
            room: room.room.as_str().to_owned(),
            members: room.members,
            recent_events: room.recent_events,
        }
    }
}

fn process_part() -> Option<ProcessPart> {
    process::usage().map(|usage| ProcessPart {
        resident_bytes: usage.resident_bytes,
        cpu_seconds: usage.cpu_seconds,
        threads: usage.threads,
        open_files: usage.open_files,
    })
}

const fn push_part(status: PushStatus) -> PushPart {
    PushPart {
        pending: status.pending,
        sent: status.sent,
        retried: status.retried,
        dead_tokens: status.dead_tokens,
        failed: status.failed,
        refused: status.refused,
        dropped: status.dropped,
    }
}
