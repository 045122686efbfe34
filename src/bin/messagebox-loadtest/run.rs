//! What all tasks of a run share.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use messagebox::auth::Identity;
use messagebox::client::{AuthSocket, ClientError, Connector, UnverifiedReader};
use tokio::sync::{Semaphore, watch};

use super::clock::Clock;
use super::options::Options;
use super::recorder::Operation;
use super::unverified::unverified_payload;
use super::worker_delay::WorkerDelay;

/// Different errors that are told apart.
const MAX_KINDS: usize = 20;
/// Bytes of an event that are read where it is not verified: what stands before the body, and the mark at its head.
const HEAD_BYTES: usize = 1024;
/// How long opening a socket may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// A run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) options: Options,
    pub(crate) connector: Connector,
    /// Where members of rooms connect.
    members_at: Connector,
    pub(crate) clock: Arc<Clock>,
    /// Tells this run's messages from all others.
    pub(crate) tag: u32,
    /// Every kind of operation, the one that matters most first.
    pub(crate) operations: Vec<Arc<Operation>>,
    /// From the first byte to `authenticationSuccess`.
    pub(crate) connect: Arc<Operation>,
    pub(crate) errors: Errors,
    /// Acks and deliveries that are to come, and that came.
    pub(crate) issued: AtomicU64,
    pub(crate) settled: AtomicU64,
    /// Messages that should have been sent in time and were not, because the sender had not come to them.
    pub(crate) unsent: AtomicU64,
    /// Deliveries of rooms that their receiver is not in.
    pub(crate) foreign: AtomicU64,
    pub(crate) verified: AtomicU64,
    /// How late the server's workers were, where it was asked.
    pub(crate) worker_delay: OnceLock<WorkerDelay>,
    /// Sockets that are to be open, and that are.
    pub(crate) wanted: AtomicU64,
    pub(crate) connected: AtomicU64,
    connecting: Semaphore,
    streams: AtomicU32,
    stop: watch::Sender<bool>,
}

/// What went wrong, by what it says.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    count: AtomicU64,
    kinds: Mutex<BTreeMap<String, u64>>,
}

impl Errors {
    /// Notes that something went wrong while doing `what`.
    pub(crate) fn note(&self, what: &str, error: &impl Display) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let text: String = format!("{what}: {error}").chars().take(300).collect();
        if kinds.len() < MAX_KINDS || kinds.contains_key(&text) {
            *kinds.entry(text).or_default() += 1;
        } else {
            *kinds.entry(String::from("others")).or_default() += 1;
        }
    }

    /// How often something went wrong.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// What, and how often.
    pub(crate) fn kinds(&self) -> BTreeMap<String, u64> {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.clone()
    }
}

impl Run {
    /// A run that has not begun.
    pub(crate) fn new(options: Options, names: &[&'static str]) -> Self {
        let clock = Arc::new(Clock::start(options.warm_up, options.duration()));
        let connector = Connector::new(options.server.clone(), options.transport);
        let members_at = match &options.members_at {
            Some(server) => Connector::new(server.clone(), options.transport),
            None => connector.clone(),
        };
        let operation = |name: &&'static str| Arc::new(Operation::new(name, &clock));
        Self {
            connector,
            members_at,
            tag: rand::random(),
            operations: names.iter().map(operation).collect(),
            connect: Arc::new(Operation::always("connect", &clock)),
            errors: Errors::default(),
            issued: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            unsent: AtomicU64::new(0),
            foreign: AtomicU64::new(0),
            verified: AtomicU64::new(0),
            worker_delay: OnceLock::new(),
            wanted: AtomicU64::new(0),
            connected: AtomicU64::new(0),
            connecting: Semaphore::new(options.connecting),
            streams: AtomicU32::new(0),
            stop: watch::Sender::new(false),
            clock,
            options,
        }
    }

    /// The operation of this name.
    pub(crate) fn operation(&self, name: &'static str) -> Arc<Operation> {
        let known = self.operations.iter().find(|known| known.name() == name);
        // One that is not listed is recorded and not reported.
        known.map_or_else(|| Arc::new(Operation::new(name, &self.clock)), Arc::clone)
    }

    /// A number for a sequence of messages.
    pub(crate) fn next_stream(&self) -> u32 {
        self.streams.fetch_add(1, Ordering::Relaxed)
    }

    /// Opens a socket when it is its turn.
    pub(crate) async fn connect(&self, identity: Arc<Identity>) -> Result<AuthSocket, ClientError> {
        self.connect_at(&self.connector, identity).await
    }

    /// The same for a member of a room.
    pub(crate) async fn connect_member(
        &self,
        identity: Arc<Identity>,
    ) -> Result<AuthSocket, ClientError> {
        self.connect_at(&self.members_at, identity).await
    }

    async fn connect_at(
        &self,
        connector: &Connector,
        identity: Arc<Identity>,
    ) -> Result<AuthSocket, ClientError> {
        let turn = self.connecting.acquire().await;
        let began = self.clock.now();
        // On the heap for as long as it takes, so that tasks of open sockets stay small.
        let connecting = Box::pin(AuthSocket::connect(connector, identity));
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
        drop(turn);
        let socket = connected.map_err(|_| ClientError::Timeout("opening a socket"))??;
        self.connect.record(self.connect.shard(), began);
        Ok(socket)
    }

    /// How the next event is read: a share of them is verified, the others are read by this.
    pub(crate) fn reader(&self) -> Option<UnverifiedReader> {
        let share = self.options.verify;
        if share > 0.0 && rand::random::<f64>() < share {
            self.verified.fetch_add(1, Ordering::Relaxed);
            None
        } else {
            Some(|json| unverified_payload(json, HEAD_BYTES))
        }
    }

    /// Acks and deliveries that have not come yet.
    pub(crate) fn outstanding(&self) -> u64 {
        let settled = self.settled.load(Ordering::Acquire);
        self.issued.load(Ordering::Acquire).saturating_sub(settled)
    }

    /// Tells all tasks to end.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Comes true when all tasks are to end.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }
}

/// Waits for the end.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The sender lives as long as the run, which every task holds.
    let _ = stop.wait_for(|stopped| *stopped).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_what_they_say_and_bounded() {
        let errors = Errors::default();
        for index in 0..100 {
            errors.note("connect", &index);
            errors.note("connect", &"again");
        }
        assert_eq!(errors.count(), 200);
        let kinds = errors.kinds();
        assert!(kinds.len() <= MAX_KINDS + 1);
        assert_eq!(kinds["connect: again"], 100);
        assert_eq!(kinds.values().sum::<u64>(), 200);
    }
}
