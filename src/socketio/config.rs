//! The limits of a Socket.IO connection, and its namespaces.

use std::time::Duration;

use super::packet::Namespace;

/// The limits and namespaces of every connection of one endpoint.
#[derive(Debug, Clone)]
pub struct SocketIoConfig {
    /// How long a client may take to join its first namespace. Default 45 s.
    pub connect_timeout: Duration,
    /// Namespaces that clients may join. Default: the main one.
    pub namespaces: Vec<Namespace>,
    /// Maximum attachments of one packet. Default 64.
    pub max_attachments: usize,
    /// Maximum size of all attachments of one packet, in bytes. Default 10,000,000.
    pub max_attachment_bytes: usize,
    /// Maximum nesting depth of the JSON of a packet. Default 128.
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
