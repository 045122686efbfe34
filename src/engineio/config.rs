//! The bounds and times of an Engine.IO session.

use std::time::Duration;

/// Bounds and times of every session of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineConfig {
    /// Time from the handshake, or from a pong, to the next ping. Default 25 s.
    pub ping_interval: Duration,
    /// How long a pong may take. Default 20 s.
    pub ping_timeout: Duration,
    /// How long a websocket may take from its attachment to `upgrade`. Default 10 s.
    pub upgrade_timeout: Duration,
    /// How long a closing session waits for the client to take what is left. Default 5 s.
    pub close_timeout: Duration,
    /// Largest payload or frame in bytes that is accepted, and announced as `maxPayload`. Default 10,000,000:
    /// a BRC-103 payload travels as a JSON array of numbers, about 3.6 bytes for each byte of it.
    pub max_payload: usize,
    /// Bytes that may wait for a client before it is cut off as a slow consumer. Default 4 MiB. A single
    /// group of packets is always taken by an empty outbox.
    pub max_outbound_bytes: usize,
    /// Packets in one polling response. Default 16: python-socketio disconnects above that.
    pub max_packets_per_poll: usize,
    /// Packets accepted in one polling request. Default 1,024.
    pub max_packets_per_payload: usize,
    /// How long the body of a polling request may take to come. Default 30 s.
    pub request_timeout: Duration,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            max_payload: 10_000_000,
            max_outbound_bytes: 4 * 1024 * 1024,
            max_packets_per_poll: 16,
            max_packets_per_payload: 1024,
            request_timeout: Duration::from_secs(30),
        }
    }
}
