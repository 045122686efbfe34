//! The names, claims and bounds of the sessions in Redis.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::{SessionRecord, sha256};

/// The name of a session in Redis: half of a hash of our nonce. A collision takes 2^64 tries to find, and its finder would
/// still lack our HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionName(pub(crate) [u8; 16]);

impl SessionName {
    /// The name of the session with this nonce of ours.
    pub fn of(own_nonce: &str) -> Self {
        Self(short_hash(own_nonce))
    }
}

/// A request that must count once on all nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionClaim {
    /// The name of its session.
    pub session: SessionName,
    /// Half of a hash of the request's nonce.
    pub nonce: [u8; 16],
    /// The session itself, if Redis may not have it yet.
    pub record: Option<Arc<SessionRecord>>,
}

impl SessionClaim {
    /// The claim of the request with this nonce.
    pub fn new(own_nonce: &str, nonce: &str, record: Option<Arc<SessionRecord>>) -> Self {
        Self {
            session: SessionName::of(own_nonce),
            nonce: short_hash(nonce),
            record,
        }
    }
}

fn short_hash(text: &str) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&sha256(text.as_bytes())[..16]);
    short
}

/// What Redis answers to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimAnswer {
    /// No node has served the request, and no other will.
    First,
    /// A node has served the request before.
    Repeated,
    /// The session has ended on all nodes.
    Ended,
}

/// Times and bounds of the sessions in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreSettings {
    /// How long a request waits for Redis at most.
    pub timeout: Duration,
    /// How long a session lives after its last request.
    pub life: Duration,
    /// How long a session lives before its first request.
    pub pending_life: Duration,
    /// The largest number of requests in a session.
    pub max_requests: usize,
}
