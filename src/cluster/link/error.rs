//! Errors of connections to Redis. Their texts never show the address, which may hold a password.

use thiserror::Error;

/// Why a connection to Redis cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LinkError {
    /// The address cannot be parsed.
    #[error("not an address of Redis; expected redis://host:port or rediss://host:port")]
    Address,
    /// Redis refuses, or cannot be reached.
    #[error("{0}")]
    Refused(String),
    /// An established connection ended.
    #[error("the connection ended")]
    Ended,
    /// The server is a replica. Events published there do not reach the nodes at the primary.
    #[error("it is a replica; REDIS_URL must lead to the server that takes writes")]
    Replica,
    /// Another node reports that it does not receive this one.
    #[error("another node does not receive what this one publishes")]
    Unheard,
    /// The queue of received messages is full.
    #[error("messages came faster than they could be delivered")]
    Overflow,
}

impl LinkError {
    pub(crate) fn timed_out() -> Self {
        Self::Refused("no answer in time".to_owned())
    }
}

impl From<redis::RedisError> for LinkError {
    fn from(error: redis::RedisError) -> Self {
        // The kind and the server's own words, which name no address.
        let detail = error.detail().map(|detail| format!(": {detail}"));
        Self::Refused(format!("{:?}{}", error.kind(), detail.unwrap_or_default()))
    }
}
