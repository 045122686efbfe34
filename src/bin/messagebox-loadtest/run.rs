//! The state that all tasks of a run share.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use messagebox::auth::Identity;
use messagebox::client::{AuthSocket, ClientError, Connector, UnverifiedReader};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use super::measure::clock::Clock;
use super::measure::recorder::TimedOperation;
use super::measure::worker_delay::WorkerDelay;
use super::options::LoadOptions;
use super::traffic::unverified::unverified_payload;

/// Maximum number of distinct errors.
const MAX_KINDS: usize = 20;
/// Bytes read of an unverified event: everything before the body, and the marker at its head.
const HEAD_BYTES: usize = 1024;
/// Deadline for opening a socket.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) options: LoadOptions,
    pub(crate) connector: Connector,
    /// The server of the members of rooms.
    members_at: Connector,
    pub(crate) clock: Arc<Clock>,
    /// Identifies the messages of this run.
    pub(crate) tag: u32,
    /// All operations, the most important first.
    pub(crate) operations: Vec<Arc<TimedOperation>>,
    /// From the first byte to `authenticationSuccess`.
    pub(crate) connect: Arc<TimedOperation>,
    pub(crate) errors: Errors,
    /// Acks and deliveries expected and arrived.
    pub(crate) issued: AtomicU64,
    pub(crate) settled: AtomicU64,
    /// Scheduled messages that the sender was too slow to send.
    pub(crate) unsent: AtomicU64,
    /// Deliveries of rooms whose member the receiver is not.
    pub(crate) foreign: AtomicU64,
    pub(crate) verified: AtomicU64,
    /// Lateness of the server's workers, if measured.
    pub(crate) worker_delay: OnceLock<WorkerDelay>,
    /// Sockets to open, and open sockets.
    pub(crate) wanted: AtomicU64,
    pub(crate) connected: AtomicU64,
    connecting: Semaphore,
    streams: AtomicU32,
    stop: watch::Sender<bool>,
}

/// Errors, counted by text.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    count: AtomicU64,
    kinds: Mutex<BTreeMap<String, u64>>,
}

impl Errors {
    /// Counts an error of `what`.
    pub(crate) fn note(&self, what: &str, error: &impl Display) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut kinds = self.kinds.lock();
        let text: String = format!("{what}: {error}").chars().take(300).collect();
        if kinds.len() < MAX_KINDS || kinds.contains_key(&text) {
            *kinds.entry(text).or_default() += 1;
        } else {
            *kinds.entry(String::from("others")).or_default() += 1;
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn kinds(&self) -> BTreeMap<String, u64> {
        let kinds = self.kinds.lock();
        kinds.clone()
    }
}

impl Run {
    pub(crate) fn new(options: LoadOptions, names: &[&'static str]) -> Self {
        let clock = Arc::new(Clock::start(options.warm_up, options.duration()));
        let connector = Connector::new(options.server.clone(), options.transport);
        let members_at = match &options.members_at {
            Some(server) => Connector::new(server.clone(), options.transport),
            None => connector.clone(),
        };
        let operation = |name: &&'static str| Arc::new(TimedOperation::new(name, &clock));
        Self {
            connector,
            members_at,
            tag: rand::random(),
            operations: names.iter().map(operation).collect(),
            connect: Arc::new(TimedOperation::always("connect", &clock)),
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

    pub(crate) fn operation(&self, name: &'static str) -> Arc<TimedOperation> {
        let known = self.operations.iter().find(|known| known.name() == name);
        // An unlisted operation is recorded and not reported.
        known.map_or_else(
            || Arc::new(TimedOperation::new(name, &self.clock)),
            Arc::clone,
        )
    }

    /// A number for a stream.
    pub(crate) fn next_stream(&self) -> u32 {
        self.streams.fetch_add(1, Ordering::Relaxed)
    }

    /// Opens a socket, at most --connecting at a time.
    pub(crate) async fn connect(&self, identity: Arc<Identity>) -> Result<AuthSocket, ClientError> {
        self.connect_at(&self.connector, identity).await
    }

    /// Opens the socket of a room member.
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
        // On the heap only while connecting, so that tasks of open sockets stay small.
        let connecting = Box::pin(AuthSocket::connect(connector, identity));
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
        drop(turn);
        let socket = connected.map_err(|_| ClientError::Timeout("opening a socket"))??;
        self.connect.record(self.connect.shard(), began);
        Ok(socket)
    }

    /// Returns how to read the next event: a share of the events is verified, the others are read by this.
    pub(crate) fn reader(&self) -> Option<UnverifiedReader> {
        let share = self.options.verify;
        if share > 0.0 && rand::random::<f64>() < share {
            self.verified.fetch_add(1, Ordering::Relaxed);
            None
        } else {
            Some(|json| unverified_payload(json, HEAD_BYTES))
        }
    }

    /// Outstanding acks and deliveries.
    pub(crate) fn outstanding(&self) -> u64 {
        let settled = self.settled.load(Ordering::Acquire);
        self.issued.load(Ordering::Acquire).saturating_sub(settled)
    }

    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Becomes true when all tasks must stop.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }
}

/// Waits until the run stops.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The sender lives as long as the run, which every task holds.
    let _ = stop.wait_for(|stopped| *stopped).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_text_and_bounded() {
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
