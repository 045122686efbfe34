//! The message nonces of requests that all nodes have seen, kept in Redis: what one node has served, no other serves again.
//!
//! Each session has a hash in Redis, with the nonces of its messages as fields; it expires when no node can have a use for
//! the session any more. The connection is one of its own, on a thread of its own, so that no request waits behind room events.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::backoff::Backoff;

use super::counters::{NonceCounters, NonceStatus, add};
use super::link::{LinkError, NonceLink, RedisAddress};
use super::node::{FIRST_PAUSE, MAX_PAUSE, SETTLED};
use super::session::PING_INTERVAL;

/// Nonces that wait until Redis is back; some 64 bytes each.
const MAX_OWED: usize = 100_000;

/// Those that are handed in together.
const BATCH: usize = 500;

/// A message's nonce, in its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionNonce {
    /// Names the session.
    pub session: [u8; 16],
    /// Names the message.
    pub nonce: [u8; 16],
    /// How long the session's nonces are kept from now on.
    pub keep: Duration,
}

/// What was served while Redis could not be asked.
#[derive(Debug, Clone, Copy)]
struct Owed {
    nonce: SessionNonce,
    since: Instant,
}

/// A handle on the nonces; cheap to clone.
#[derive(Debug, Clone)]
pub struct Nonces(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    address: RedisAddress,
    timeout: Duration,
    state: Mutex<State>,
    lost: Notify,
    counters: NonceCounters,
}

#[derive(Debug, Default)]
struct State {
    /// The connection, and which one it is, while Redis answers in time.
    link: Option<(u64, NonceLink)>,
    connections: u64,
    owed: VecDeque<Owed>,
}

impl Nonces {
    pub(super) fn new(address: RedisAddress, timeout: Duration) -> Self {
        Self(Arc::new(Shared {
            address,
            timeout,
            state: Mutex::default(),
            lost: Notify::new(),
            counters: NonceCounters::default(),
        }))
    }

    /// Uses a nonce up on all nodes: whether this node is the first; `None` where Redis does not answer in time. Then it is
    /// handed in later.
    pub async fn use_up(&self, nonce: SessionNonce) -> Option<bool> {
        let shared = &*self.0;
        let Some((connection, link)) = shared.link_or_owe(nonce) else {
            add(&shared.counters.unchecked, 1);
            return None;
        };
        let asked = tokio::time::timeout(shared.timeout, link.use_up(&nonce)).await;
        let failed = match asked {
            Ok(Ok(is_first)) => {
                let counters = &shared.counters;
                add(&counters.checked, 1);
                add(&counters.repeated, usize::from(!is_first));
                return Some(is_first);
            }
            Ok(Err(error)) => error,
            Err(_) => LinkError::Refused("no answer in time".to_owned()),
        };
        add(&shared.counters.unchecked, 1);
        shared.lose(connection, &failed);
        shared.owe(nonce);
        None
    }

    pub(super) fn status(&self) -> NonceStatus {
        let waiting = self.0.state().owed.len();
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

impl Shared {
    /// Connects, and hands in what was served meanwhile, before anybody relies on it.
    async fn begin(&self) -> Result<NonceLink, LinkError> {
        let link = self.address.connect_for_nonces().await?;
        loop {
            self.hand_in_owed(&link).await?;
            let mut state = self.state();
            if state.owed.is_empty() {
                state.connections += 1;
                state.link = Some((state.connections, link.clone()));
                self.counters.connected.store(true, Ordering::Release);
                return Ok(link);
            }
        }
    }

    /// Hands in what was served without being asked for. Only one at a time does.
    async fn hand_in_owed(&self, link: &NonceLink) -> Result<(), LinkError> {
        loop {
            // They stay until Redis has them: this future may be dropped with its connection.
            let batch: Vec<Owed> = self.state().owed.iter().take(BATCH).copied().collect();
            if batch.is_empty() {
                return Ok(());
            }
            // With the whole of their time: a session lives on as one, and others may have kept it for longer.
            let still = |owed: &&Owed| owed.since.elapsed() < owed.nonce.keep;
            let nonces = batch.iter().filter(still).map(|owed| owed.nonce);
            let nonces: Vec<SessionNonce> = nonces.collect();
            link.hand_in(&nonces).await?;
            self.state().owed.drain(..batch.len());
        }
    }

    /// Returns when the connection is none any more.
    async fn stay(&self, link: &NonceLink) {
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

    fn link_or_owe(&self, nonce: SessionNonce) -> Option<(u64, NonceLink)> {
        let mut state = self.state();
        let link = state.link.clone();
        if link.is_none() {
            self.note(&mut state, nonce);
        }
        link
    }

    fn owe(&self, nonce: SessionNonce) {
        self.note(&mut self.state(), nonce);
    }

    fn note(&self, state: &mut State, nonce: SessionNonce) {
        if state.owed.len() < MAX_OWED {
            let since = Instant::now();
            state.owed.push_back(Owed { nonce, since });
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
