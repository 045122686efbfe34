//! The life of a node: it connects to Redis, serves until the connection ends, and connects again.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use actix::prelude::*;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::backoff::Backoff;
use crate::db::DbHandle;
use crate::rooms::{RoomRegistry, RotateDedup};

use super::envelope::{Opener, Sealer};
use super::greeter::Greeter;
use super::inbound::Inbound;
use super::link::{LinkError, PushedMessages, RedisLink};
use super::outbound::Outbound;
use super::shared::{ClusterShared, Interest};
use super::timing::{
    FIRST_PAUSE, MAX_PAUSE, PING_INTERVAL, SETTLED, UNHEARD_PAUSE, WATERMARK_INTERVAL,
};

/// A node. It runs on its own thread.
pub(super) struct Node {
    shared: Arc<ClusterShared>,
    interest: UnboundedReceiver<Interest>,
    inbound: Inbound,
    outbound: Outbound,
    greeter: Greeter,
    heartbeat: Heartbeat,
}

impl Node {
    pub(super) fn new(
        shared: Arc<ClusterShared>,
        key: &[u8; 32],
        interest: UnboundedReceiver<Interest>,
        db: DbHandle,
        registry: Addr<RoomRegistry>,
    ) -> Self {
        let id = rand::random();
        shared.peers.lock().set_own(&id);
        let sealer = || Sealer::new(key, id);
        let opener = Opener::new(key, id);
        Self {
            interest,
            outbound: Outbound::new(Arc::clone(&shared), sealer(), db.clone()),
            inbound: Inbound::new(Arc::clone(&shared), opener, db, registry),
            greeter: Greeter::new(Arc::clone(&shared), sealer()),
            heartbeat: Heartbeat {
                shared: Arc::clone(&shared),
                received_until: Instant::now(),
                reconnected_at: None,
            },
            shared,
        }
    }

    /// Connects again and again. Never returns.
    pub(super) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut backoff = Backoff::new(FIRST_PAUSE, MAX_PAUSE);
        let mut was_connected = false;
        // Logs an absent Redis once, not at every attempt.
        let mut is_logged = false;
        loop {
            let connecting = shared.address.connect(shared.settings.max_queued_bytes);
            let ended = match connecting.await {
                Ok((link, messages)) => {
                    log::info!("Redis: connected; room events cross between nodes");
                    shared.status.lock().reconnects += u64::from(was_connected);
                    (was_connected, is_logged) = (true, false);
                    let begun = Instant::now();
                    self.heartbeat.received_until = begun;
                    shared.status.lock().connected = true;
                    let ended = self.session(&link, messages).await;
                    if begun.elapsed() >= SETTLED {
                        backoff.reset();
                    }
                    shared.status.lock().connected = false;
                    self.disconnected();
                    ended
                }
                Err(error) => error,
            };
            if !is_logged {
                log::error!(
                    "Redis: {ended}; until it is back, room events reach only the members on this node"
                );
                is_logged = true;
            }
            self.inbound.apply_interest(&mut self.interest, None);
            tokio::time::sleep(backoff.next(rand::random())).await;
        }
    }

    /// Serves until the connection ends, and returns why it did.
    async fn session(&mut self, link: &RedisLink, mut messages: PushedMessages) -> LinkError {
        self.inbound.begin_session();
        let inbound = &self.inbound;
        let Err(ended) = tokio::select! {
            ended = inbound.receive(&mut messages) => ended,
            ended = inbound.follow_interest(&mut self.interest, link) => ended,
            ended = inbound.catch_up() => ended,
            ended = self.outbound.publish(link) => ended,
            ended = self.greeter.greet(link) => ended,
            ended = self.heartbeat.run(link) => ended,
        };
        ended
    }

    fn disconnected(&self) {
        *self.shared.clock.lock() = None;
        let since = self.shared.watermark_before(self.heartbeat.received_until);
        self.inbound.disconnected(since);
    }
}

/// Notices a connection that no longer works.
struct Heartbeat {
    shared: Arc<ClusterShared>,
    /// All events published before this time have been received.
    received_until: Instant,
    /// The last time the node reconnected because another one did not receive its events.
    reconnected_at: Option<Instant>,
}

impl Heartbeat {
    async fn run(&mut self, link: &RedisLink) -> Result<Infallible, LinkError> {
        loop {
            let begun = Instant::now();
            link.ping().await?;
            // The answer came after everything that was published before the ping.
            self.received_until = begun;
            let clock = link.clock().await;
            *self.shared.clock.lock() = clock;
            let has_tried = self
                .reconnected_at
                .is_some_and(|at| begun.saturating_duration_since(at) < UNHEARD_PAUSE);
            if !has_tried && self.shared.peers.lock().is_unheard(begun) {
                // Redis may have been demoted unnoticed; a new connection may find its successor.
                self.reconnected_at = Some(begun);
                return Err(LinkError::Unheard);
            }
            tokio::time::sleep(PING_INTERVAL).await;
        }
    }
}

/// Records watermarks, and lets the registry drop dedup keys that cannot occur again.
pub(super) async fn watch_database(
    shared: Arc<ClusterShared>,
    db: DbHandle,
    registry: Addr<RoomRegistry>,
) {
    let overlap = shared.settings.overlap.as_millis() / WATERMARK_INTERVAL.as_millis();
    // Twice the overlap: catch-up reads events delivered at about its start, and a lost connection is noticed late.
    let keep = usize::try_from(overlap)
        .unwrap_or(usize::MAX)
        .saturating_mul(2)
        .saturating_add(30);
    loop {
        tokio::time::sleep(WATERMARK_INTERVAL).await;
        match db.last_message_id().await {
            // Timed after the answer: the message may have been stored after the question.
            Ok(id) => shared.record(Instant::now(), id),
            Err(error) => log::debug!("the highest message id was not read: {error}"),
        }
        rotate_dedup(&shared, &registry, keep).await;
    }
}

/// Starts a generation of the dedup window. All generations are kept until catch-up is complete, because it may read events
/// that were delivered.
pub(super) async fn rotate_dedup(
    shared: &ClusterShared,
    registry: &Addr<RoomRegistry>,
    keep: usize,
) {
    let has_caught_up = || shared.has_caught_up.load(Ordering::Acquire);
    let keep = has_caught_up().then_some(keep);
    let has_forgotten = registry.send(RotateDedup { keep }).await;
    if has_forgotten == Ok(true) && !has_caught_up() {
        shared.is_dedup_incomplete.store(true, Ordering::Release);
    }
}
