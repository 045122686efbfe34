//! The state of a socket for other threads. Only the socket writes it, and no reader blocks it.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use crate::engineio::{CloseReason, TransportKind};
use crate::ids::IdentityKey;
use crate::limits::OutboundMemory;
use crate::metrics::Counter;

/// The published state of one socket.
#[derive(Debug)]
pub struct SocketRecord {
    /// When the session began.
    pub opened: Instant,
    /// The remote end of the connection that began the session: behind a proxy, the proxy.
    pub remote: Option<SocketAddr>,
    websocket: AtomicBool,
    outbound_bytes: AtomicUsize,
    /// Outbound bytes that no other socket shares. The memory of all sockets counts them.
    own_bytes: AtomicUsize,
    outbound: OutboundMemory,
    identity: OnceLock<IdentityKey>,
}

impl SocketRecord {
    pub(super) fn new(
        remote: Option<SocketAddr>,
        transport: TransportKind,
        outbound: OutboundMemory,
    ) -> Self {
        Self {
            opened: Instant::now(),
            remote,
            websocket: AtomicBool::new(transport == TransportKind::Websocket),
            outbound_bytes: AtomicUsize::new(0),
            own_bytes: AtomicUsize::new(0),
            outbound,
            identity: OnceLock::new(),
        }
    }

    /// Publishes the current state. Only the thread of the socket calls this.
    pub(super) fn update(
        &self,
        transport: TransportKind,
        outbound_bytes: usize,
        own_bytes: usize,
        identity: Option<IdentityKey>,
    ) {
        let is_websocket = transport == TransportKind::Websocket;
        self.websocket.store(is_websocket, Ordering::Relaxed);
        self.outbound_bytes.store(outbound_bytes, Ordering::Relaxed);
        let before = self.own_bytes.load(Ordering::Relaxed);
        if before != own_bytes {
            self.own_bytes.store(own_bytes, Ordering::Relaxed);
            self.outbound.replace(before, own_bytes);
        }
        if let Some(identity) = identity {
            self.identity.get_or_init(|| identity);
        }
    }

    /// The current transport of the session.
    pub fn transport(&self) -> TransportKind {
        if self.websocket.load(Ordering::Relaxed) {
            TransportKind::Websocket
        } else {
            TransportKind::Polling
        }
    }

    /// The outbound buffer of the socket in bytes.
    pub fn outbound_bytes(&self) -> usize {
        self.outbound_bytes.load(Ordering::Relaxed)
    }

    /// The authenticated identity of the client.
    pub fn identity(&self) -> Option<IdentityKey> {
        self.identity.get().copied()
    }
}

impl Drop for SocketRecord {
    fn drop(&mut self) {
        self.outbound.replace(*self.own_bytes.get_mut(), 0);
    }
}

/// How many sockets were opened, and why they ended.
#[derive(Debug, Default)]
pub struct SocketCounts {
    /// Sockets that were opened.
    pub opened: Counter,
    ended: [Counter; REASONS.len()],
}

/// Every reason with its label in metrics.
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

    /// The number of sockets that ended for each reason.
    pub fn ends(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let words = REASONS.iter().map(|(_, word)| *word);
        words.zip(self.ended.iter().map(Counter::get))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_this_socket_holds_counts_in_the_memory_of_all() {
        let memory = OutboundMemory::default();
        let record = SocketRecord::new(None, TransportKind::Websocket, memory.clone());
        for (all, own) in [(9, 5), (9, 7), (3, 2)] {
            record.update(TransportKind::Websocket, all, own, None);
            assert_eq!((record.outbound_bytes(), memory.held()), (all, own));
        }
        drop(record);
        assert_eq!(memory.held(), 0);
    }

    #[test]
    fn ends_are_counted_by_their_reason() {
        let counts = SocketCounts::default();
        counts.ended(CloseReason::SlowConsumer);
        let ended: Vec<_> = counts.ends().filter(|(_, count)| *count > 0).collect();
        assert_eq!(ended, [("slow_consumer", 1)]);
        assert_eq!(counts.ends().count(), 8);
    }
}
