//! The bounds of a Socket.IO connection, and the namespaces that exist.

use std::time::Duration;

use super::packet::Namespace;

/// Bounds of every connection of one endpoint.
#[derive(Debug, Clone)]
pub struct SocketIoConfig {
    /// How long a client may take to join its first namespace. Default 45 s.
    pub connect_timeout: Duration,
    /// Namespaces that may be joined. Default: the main one.
    pub namespaces: Vec<Namespace>,
    /// Attachments of one packet. Default 64.
    pub max_attachments: usize,
    /// Bytes of all attachments of one packet. Default 10,000,000.
    pub max_attachment_bytes: usize,
    /// Objects and arrays of a packet within each other. Default 128.
    pub max_json_depth: usize,
}

impl Default for SocketIoConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(45),
            namespaces: vec![Namespace::main()],
            max_attachments: 64,
            max_attachment_bytes: 10_000_000,
            max_json_depth: 128,
        }
    }
}
