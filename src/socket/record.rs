//! What a socket says of itself to those who only look: it writes, they read and sum up, and nobody waits for anybody.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use crate::engineio::{CloseReason, TransportKind};
use crate::ids::IdentityKey;
use crate::metrics::Counter;

/// One socket.
#[derive(Debug)]
pub struct SocketRecord {
    /// When it began.
    pub opened: Instant,
    /// The other end of the connection that began it; behind a proxy, the proxy.
    pub remote: Option<SocketAddr>,
    websocket: AtomicBool,
    outbound_bytes: AtomicUsize,
    identity: OnceLock<IdentityKey>,
}

impl SocketRecord {
    pub(super) fn new(remote: Option<SocketAddr>, transport: TransportKind) -> Self {
        Self {
            opened: Instant::now(),
            remote,
            websocket: AtomicBool::new(transport == TransportKind::Websocket),
            outbound_bytes: AtomicUsize::new(0),
            identity: OnceLock::new(),
        }
    }

    /// Notes how it is now; only its own thread does, so nothing is fought over.
    pub(super) fn note(
        &self,
        transport: TransportKind,
        outbound_bytes: usize,
        identity: Option<IdentityKey>,
    ) {
        let is_websocket = transport == TransportKind::Websocket;
        self.websocket.store(is_websocket, Ordering::Relaxed);
        self.outbound_bytes.store(outbound_bytes, Ordering::Relaxed);
        if let Some(identity) = identity {
            self.identity.get_or_init(|| identity);
        }
    }

    /// Whether its identity is noted already.
    pub(super) fn is_proven(&self) -> bool {
        self.identity.get().is_some()
    }

    /// What carries it.
    #[must_use]
    pub fn transport(&self) -> TransportKind {
        if self.websocket.load(Ordering::Relaxed) {
            TransportKind::Websocket
        } else {
            TransportKind::Polling
        }
    }

    /// Bytes that wait for it.
    #[must_use]
    pub fn outbound_bytes(&self) -> usize {
        self.outbound_bytes.load(Ordering::Relaxed)
    }

    /// Whom it has proven to be.
    #[must_use]
    pub fn identity(&self) -> Option<IdentityKey> {
        self.identity.get().copied()
    }
}

/// How many sockets began, and why they ended.
#[derive(Debug, Default)]
pub struct SocketCounts {
    /// Sockets that began.
    pub opened: Counter,
    ended: [Counter; REASONS.len()],
}

/// Every reason, and its word.
const REASONS: [(CloseReason, &str); 8] = [
    (CloseReason::TransportClose, "transport_close"),
    (CloseReason::TransportError, "transport_error"),
    (CloseReason::PingTimeout, "ping_timeout"),
    (CloseReason::ParseError, "parse_error"),
    (CloseReason::ForcedClose, "forced_close"),
    (CloseReason::SlowConsumer, "slow_consumer"),
    (CloseReason::TooFast, "too_fast"),
    (CloseReason::ServerShutdown, "server_shutdown"),
];

impl SocketCounts {
    pub(super) fn ended(&self, reason: CloseReason) {
        let index = REASONS.iter().position(|(known, _)| *known == reason);
        if let Some(count) = index.and_then(|index| self.ended.get(index)) {
            count.add_one();
        }
    }

    /// How many ended for each reason.
    pub fn ends(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let words = REASONS.iter().map(|(_, word)| *word);
        words.zip(self.ended.iter().map(Counter::get))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_counted_by_their_reason() {
        let counts = SocketCounts::default();
        counts.ended(CloseReason::SlowConsumer);
        let ended: Vec<_> = counts.ends().filter(|(_, count)| *count > 0).collect();
        assert_eq!(ended, [("slow_consumer", 1)]);
        assert_eq!(counts.ends().count(), 8);
    }
}
