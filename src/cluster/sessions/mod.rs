//! The sessions of HTTP clients in Redis, and the nonces of their requests: any node goes on with a session of any other, and
//! what one node has served, no other serves again.
//!
//! A session and its nonces are one hash, which expires after the last request. Without the hash, no node takes a request of
//! the session. The connection is one of its own, on a thread of its own, so that no request waits behind room events.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::auth::{SessionRecord, sha256};
use crate::backoff::Backoff;

use super::counters::{NonceCounters, NonceStatus, add};
use super::link::{LinkError, RedisAddress, SessionLink};
use super::node::{FIRST_PAUSE, MAX_PAUSE, SETTLED};
use super::inbound::PING_INTERVAL;

/// Requests that wait until Redis is back; some 80 bytes each.
const MAX_PENDING: usize = 100_000;

/// Those that are handed in together.
const BATCH: usize = 500;

/// What a session is called in Redis: half of a hash of our nonce. Whoever finds another text with the same, in 2^64 tries,
/// has no HMAC of ours in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionName(pub(super) [u8; 16]);

impl SessionName {
    /// Of the session that has this nonce of ours.
    #[must_use]
    pub fn of(own_nonce: &str) -> Self {
        Self(short(own_nonce))
    }
}

/// A request that counts once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionClaim {
    /// Its session.
    pub session: SessionName,
    /// Half of a hash of its nonce.
    pub nonce: [u8; 16],
    /// The session itself, if Redis does not have it yet.
    pub record: Option<Arc<SessionRecord>>,
}

impl SessionClaim {
    /// Of the request with this nonce.
    #[must_use]
    pub fn new(own_nonce: &str, nonce: &str, record: Option<Arc<SessionRecord>>) -> Self {
        Self {
            session: SessionName::of(own_nonce),
            nonce: short(nonce),
            record,
        }
    }
}

fn short(text: &str) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&sha256(text.as_bytes())[..16]);
    short
}

/// What Redis says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimAnswer {
    /// No node has served it, and none will serve it again.
    First,
    /// A node has served it.
    Repeated,
    /// Its session has ended.
    Ended,
}

/// Times and bounds of the sessions in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreSettings {
    /// Nobody waits for Redis longer than this.
    pub timeout: Duration,
    /// How long a session lives after its last request.
    pub life: Duration,
    /// How long it lives before its first.
    pub pending_life: Duration,
    /// How many requests it may have.
    pub max_requests: usize,
}

/// What was served while Redis could not be asked.
#[derive(Debug, Clone)]
struct PendingClaim {
    claim: SessionClaim,
    since: Instant,
}

/// A handle on the sessions; cheap to clone.
#[derive(Debug, Clone)]
pub struct RedisSessions(Arc<ClusterShared>);

#[derive(Debug)]
struct ClusterShared {
    address: RedisAddress,
    settings: StoreSettings,
    state: Mutex<State>,
    lost: Notify,
    counters: NonceCounters,
}

#[derive(Debug, Default)]
struct State {
    /// The connection, and which one it is, while Redis answers in time.
    link: Option<(u64, SessionLink)>,
    connections: u64,
    pending: VecDeque<PendingClaim>,
}

impl RedisSessions {
    pub(super) fn new(address: RedisAddress, settings: StoreSettings) -> Self {
        Self(Arc::new(ClusterShared {
            address,
            settings,
            state: Mutex::default(),
            lost: Notify::new(),
            counters: NonceCounters::default(),
        }))
    }

    /// Stores a session; says whether Redis has it now.
    pub async fn store(&self, session: &SessionRecord, proven: bool) -> bool {
        let settings = &self.0.settings;
        let life = if proven {
            settings.life
        } else {
            settings.pending_life
        };
        let stored = self
            .0
            .ask(|link| async move { link.store(session, life).await });
        stored.await.is_some()
    }

    /// The session that has this nonce of ours.
    pub async fn find(&self, own_nonce: &str) -> Option<SessionRecord> {
        let name = SessionName::of(own_nonce);
        let found = self.0.ask(|link| async move { link.find(name).await });
        let (peer_nonce, peer) = found.await??;
        Some(SessionRecord {
            own_nonce: own_nonce.to_owned(),
            peer_nonce,
            peer: peer.parse().ok()?,
        })
    }

    /// Ends sessions on all nodes. Those that Redis does not hear of end in their own time.
    pub async fn end(&self, own_nonces: &[String]) {
        let names: Vec<SessionName> = own_nonces.iter().map(|n| SessionName::of(n)).collect();
        self.0
            .ask(|link| async move { link.end(&names).await })
            .await;
    }

    /// Counts a request on all nodes, and prolongs its session; `None` where Redis does not answer in time. Then it is handed
    /// in later.
    pub async fn claim(&self, claim: SessionClaim) -> Option<ClaimAnswer> {
        let shared = &*self.0;
        let asked = {
            let (claim, settings) = (claim.clone(), shared.settings);
            shared.ask(move |link| async move { link.claim(&claim, &settings).await })
        };
        let Some(answer) = asked.await else {
            add(&shared.counters.unchecked, 1);
            shared.owe(claim);
            return None;
        };
        add(&shared.counters.checked, 1);
        Some(match answer {
            1 => ClaimAnswer::First,
            0 => {
                add(&shared.counters.repeated, 1);
                ClaimAnswer::Repeated
            }
            _ => ClaimAnswer::Ended,
        })
    }

    pub(super) fn status(&self) -> NonceStatus {
        let waiting = self.0.state().pending.len();
        self.0.counters.status(waiting)
    }

    /// For ever: connects, and connects again.
    pub(super) async fn run(self) {
        let shared = &*self.0;
        let mut backoff = Backoff::new(FIRST_PAUSE, MAX_PAUSE);
        // Once: a Redis that stays away is not worth a line each second.
        let mut is_told = false;
        loop {
            match shared.begin().await {
                Ok(link) => {
                    log::info!(
                        "Redis: connected; a request that one node has served is refused by all"
                    );
                    is_told = false;
                    let begun = Instant::now();
                    shared.stay(&link).await;
                    if begun.elapsed() >= SETTLED {
                        backoff.reset();
                    }
                }
                Err(error) if !is_told => {
                    tell(&error);
                    is_told = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(backoff.next(rand::random())).await;
        }
    }
}

impl ClusterShared {
    /// Asks Redis. None where it does not answer in time; then its connection is given up.
    async fn ask<T, F>(&self, ask: impl FnOnce(SessionLink) -> F) -> Option<T>
    where
        F: Future<Output = Result<T, LinkError>>,
    {
        let (connection, link) = self.state().link.clone()?;
        let failed = match tokio::time::timeout(self.settings.timeout, ask(link)).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => error,
            Err(_) => LinkError::Refused("no answer in time".to_owned()),
        };
        self.lose(connection, &failed);
        None
    }

    /// Connects, and hands in what was served meanwhile, before anybody relies on it.
    async fn begin(&self) -> Result<SessionLink, LinkError> {
        let link = self.address.connect_for_sessions().await?;
        loop {
            self.hand_in_owed(&link).await?;
            let mut state = self.state();
            if state.pending.is_empty() {
                state.connections += 1;
                state.link = Some((state.connections, link.clone()));
                self.counters.connected.store(true, Ordering::Release);
                return Ok(link);
            }
        }
    }

    /// Hands in what was served without being asked for. Only one at a time does.
    async fn hand_in_owed(&self, link: &SessionLink) -> Result<(), LinkError> {
        loop {
            // They stay until Redis has them: this future may be dropped with its connection.
            let batch: Vec<PendingClaim> = self.state().pending.iter().take(BATCH).cloned().collect();
            if batch.is_empty() {
                return Ok(());
            }
            let still = |pending: &&PendingClaim| pending.since.elapsed() < self.settings.life;
            let claims = batch.iter().filter(still).map(|pending| pending.claim.clone());
            let claims: Vec<SessionClaim> = claims.collect();
            link.hand_in(&claims, &self.settings).await?;
            self.state().pending.drain(..batch.len());
        }
    }

    /// Returns when the connection is none any more.
    async fn stay(&self, link: &SessionLink) {
        let keep_alive = async {
            loop {
                tokio::time::sleep(PING_INTERVAL).await;
                // What was asked over the last connection may not have been given up before this one was there.
                if let Err(error) = self.hand_in_owed(link).await {
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
                let connection = self.state().connections;
                self.lose(connection, &error);
                // That was for this loop, which knows it already.
                self.lost.notified().await;
            }
        }
    }

    fn owe(&self, claim: SessionClaim) {
        let mut state = self.state();
        if state.pending.len() < MAX_PENDING {
            let since = Instant::now();
            state.pending.push_back(PendingClaim { claim, since });
        } else {
            add(&self.counters.forgotten, 1);
        }
    }

    /// Nobody waits for this connection any more; the next one is made.
    fn lose(&self, connection: u64, error: &LinkError) {
        let mut state = self.state();
        if state
            .link
            .as_ref()
            .is_some_and(|(current, _)| *current == connection)
        {
            state.link = None;
            self.counters.connected.store(false, Ordering::Release);
            drop(state);
            tell(error);
            self.lost.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(error: &LinkError) {
    log::error!(
        "Redis: {error}; until it is back, whether another node has served a request before is not known to this one"
    );
}
