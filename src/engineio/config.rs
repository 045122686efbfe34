//! The limits and timeouts of an Engine.IO session.

use std::time::Duration;

/// The limits and timeouts of every session of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineConfig {
    /// Time from the handshake or a pong to the next ping. Default 25 s.
    pub ping_interval: Duration,
    /// How long the client may take to answer a ping. Default 20 s.
    pub ping_timeout: Duration,
    /// How long a websocket may take from its connection to the `upgrade` packet. Default 10 s.
    pub upgrade_timeout: Duration,
    /// How long a closing session waits for the client to read its last frames. Default 5 s.
    pub close_timeout: Duration,
    /// Largest payload or frame that the server accepts, in bytes. The open packet announces it as `maxPayload`.
    /// Default 10,000,000: a BRC-103 payload is a JSON array of numbers, about 3.6 bytes for each of its bytes.
    pub max_payload: usize,
    /// Bytes that the outbox may hold before the client is disconnected as a slow consumer. Default 4 MiB. An empty
    /// outbox accepts a single group of packets of any size.
    pub max_outbound_bytes: usize,
    /// Maximum packets in one polling response. Default 16: python-socketio disconnects above that.
    pub max_packets_per_poll: usize,
    /// Maximum packets in one polling request. Default 1,024.
    pub max_packets_per_payload: usize,
    /// How long the client may take to send the body of a polling request. Default 30 s.
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
