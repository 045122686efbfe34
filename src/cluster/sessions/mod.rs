//! The sessions of HTTP clients in Redis, with the nonces of their requests. Any node resumes a session of any other, and a
//! request that one node served is refused by all.
//!
//! A session and its nonces are one hash, which expires after the last request. Without the hash, no node serves a request
//! of the session. The connection has its own thread, so that no request waits behind room events.

pub(super) mod claim;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::auth::SessionRecord;
use crate::backoff::Backoff;

use super::counters::NonceStatus;
use super::link::{LinkError, RedisAddress, SessionLink};
use super::timing::{FIRST_PAUSE, MAX_PAUSE, PING_INTERVAL, SETTLED};

pub use claim::{ClaimAnswer, SessionClaim, SessionName, StoreSettings};

/// Largest number of claims that wait for Redis; some 80 bytes each.
const MAX_PENDING: usize = 100_000;

/// Pending claims in one pipeline.
const BATCH: usize = 500;

/// The claim of a request that was served while Redis did not answer.
#[derive(Debug, Clone)]
struct PendingClaim {
    claim: SessionClaim,
    since: Instant,
}

/// A handle on the sessions; cheap to clone.
#[derive(Debug, Clone)]
pub struct RedisSessions(Arc<Store>);

#[derive(Debug)]
struct Store {
    address: RedisAddress,
    settings: StoreSettings,
    state: Mutex<State>,
    lost: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The connection and its number, while Redis answers in time.
    link: Option<(u64, SessionLink)>,
    connections: u64,
    pending: VecDeque<PendingClaim>,
    status: NonceStatus,
}

impl RedisSessions {
    pub(super) fn new(address: RedisAddress, settings: StoreSettings) -> Self {
        Self(Arc::new(Store {
            address,
            settings,
            state: Mutex::default(),
            lost: Notify::new(),
        }))
    }

    /// Stores a session. Returns whether Redis has it now.
    pub async fn store(&self, session: &SessionRecord, authenticated: bool) -> bool {
        let settings = &self.0.settings;
        let life = if authenticated {
            settings.life
        } else {
            settings.pending_life
        };
        let stored = self.0.ask(async |link| link.store(session, life).await);
        stored.await.is_some()
    }

    /// Reads the session with this nonce of ours.
    pub async fn find(&self, own_nonce: &str) -> Option<SessionRecord> {
        let name = SessionName::of(own_nonce);
        let found = self.0.ask(async |link| link.find(name).await);
        let (peer_nonce, peer) = found.await??;
        Some(SessionRecord {
            own_nonce: own_nonce.to_owned(),
            peer_nonce,
            peer: peer.parse().ok()?,
        })
    }

    /// Ends sessions on all nodes. If Redis does not answer, they expire later.
    pub async fn end(&self, own_nonces: &[String]) {
        let names: Vec<SessionName> = own_nonces.iter().map(|n| SessionName::of(n)).collect();
        self.0.ask(async |link| link.end(&names).await).await;
    }

    /// Counts a request on all nodes and prolongs its session.
    ///
    /// `None` if Redis does not answer in time. The claim is then sent later.
    pub async fn claim(&self, claim: SessionClaim) -> Option<ClaimAnswer> {
        let store = &*self.0;
        let answer = store.ask(async |link| link.claim(&claim, &store.settings).await);
        let Some(answer) = answer.await else {
            store.enqueue(claim);
            return None;
        };
        let mut state = store.state.lock();
        state.status.checked += 1;
        Some(match answer {
            1 => ClaimAnswer::First,
            0 => {
                state.status.repeated += 1;
                ClaimAnswer::Repeated
            }
            _ => ClaimAnswer::Ended,
        })
    }

    pub(super) fn status(&self) -> NonceStatus {
        let state = self.0.state.lock();
        NonceStatus {
            connected: state.link.is_some(),
            waiting: state.pending.len(),
            ..state.status
        }
    }

    /// Connects again and again. Never returns.
    pub(super) async fn run(self) {
        let store = &*self.0;
        let mut backoff = Backoff::new(FIRST_PAUSE, MAX_PAUSE);
        // Logs an absent Redis once, not at every attempt.
        let mut is_logged = false;
        loop {
            match store.begin().await {
                Ok(link) => {
                    log::info!(
                        "Redis: connected; a request that one node has served is refused by all"
                    );
                    is_logged = false;
                    let begun = Instant::now();
                    store.stay(&link).await;
                    if begun.elapsed() >= SETTLED {
                        backoff.reset();
                    }
                }
                Err(error) if !is_logged => {
                    log_unchecked(&error);
                    is_logged = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(backoff.next(rand::random())).await;
        }
    }
}

impl Store {
    /// Sends a request to Redis. `None` if it does not answer in time: then the connection is dropped.
    async fn ask<T>(
        &self,
        ask: impl AsyncFnOnce(SessionLink) -> Result<T, LinkError>,
    ) -> Option<T> {
        let (connection, link) = self.state.lock().link.clone()?;
        let failed = match tokio::time::timeout(self.settings.timeout, ask(link)).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => error,
            Err(_) => LinkError::timed_out(),
        };
        self.lose(connection, &failed);
        None
    }

    /// Connects, and sends the pending claims before any request uses the connection.
    async fn begin(&self) -> Result<SessionLink, LinkError> {
        let link = self.address.connect_for_sessions().await?;
        loop {
            self.send_pending(&link).await?;
            let mut state = self.state.lock();
            if state.pending.is_empty() {
                state.connections += 1;
                state.link = Some((state.connections, link.clone()));
                return Ok(link);
            }
        }
    }

    /// Sends the pending claims. Must not run twice at a time.
    async fn send_pending(&self, link: &SessionLink) -> Result<(), LinkError> {
        loop {
            // Claims stay queued until Redis has them: this future may be dropped with its connection.
            let batch: Vec<PendingClaim> = self
                .state
                .lock()
                .pending
                .iter()
                .take(BATCH)
                .cloned()
                .collect();
            if batch.is_empty() {
                return Ok(());
            }
            let is_alive = |pending: &&PendingClaim| pending.since.elapsed() < self.settings.life;
            let claims = batch
                .iter()
                .filter(is_alive)
                .map(|pending| pending.claim.clone());
            let claims: Vec<SessionClaim> = claims.collect();
            link.hand_in(&claims, &self.settings).await?;
            self.state.lock().pending.drain(..batch.len());
        }
    }

    /// Keeps the connection alive. Returns when it is lost.
    async fn stay(&self, link: &SessionLink) {
        let keep_alive = async {
            loop {
                tokio::time::sleep(PING_INTERVAL).await;
                // A request over the last connection may time out, and enqueue its claim, only now.
                if let Err(error) = self.send_pending(link).await {
                    return error;
                }
                if let Err(error) = link.ping().await {
                    return error;
                }
            }
        };
        tokio::select! {
            () = self.lost.notified() => {}
            error = keep_alive => {
                let connection = self.state.lock().connections;
                self.lose(connection, &error);
                // Consumes the notice of the line above.
                self.lost.notified().await;
            }
        }
    }

    fn enqueue(&self, claim: SessionClaim) {
        let mut state = self.state.lock();
        state.status.unchecked += 1;
        if state.pending.len() < MAX_PENDING {
            let since = Instant::now();
            state.pending.push_back(PendingClaim { claim, since });
        } else {
            state.status.forgotten += 1;
        }
    }

    /// Drops this connection, if it is the current one, and wakes the loop that makes the next one.
    fn lose(&self, connection: u64, error: &LinkError) {
        let mut state = self.state.lock();
        if state
            .link
            .as_ref()
            .is_some_and(|(current, _)| *current == connection)
        {
            state.link = None;
            drop(state);
            log_unchecked(error);
            self.lost.notify_one();
        }
    }
}

fn log_unchecked(error: &LinkError) {
    log::error!(
        "Redis: {error}; until it is back, requests are not checked against those of other nodes"
    );
}
