//! What nodes tell each other of message nonces, where they share a store.

use std::fmt::Debug;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;

use crate::auth::{Session, sha256};

/// A memory of message nonces that all nodes share. Without one, each node knows what it has seen itself.
pub trait SharedNonces: Debug + Send + Sync {
    /// Uses a message's nonce up.
    fn use_up(&self, nonce: SharedNonce) -> LocalBoxFuture<'_, NonceUse>;
}

/// What the memory says of a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonceUse {
    /// No node has seen it.
    First,
    /// Some node has.
    Repeated,
    /// The memory does not answer. What this node has seen was looked up already.
    Unknown,
}

/// A message nonce of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SharedNonce {
    /// A hash of the session's nonce.
    pub session: [u8; 16],
    /// A hash of the message's.
    pub nonce: [u8; 16],
    /// How long all nonces of the session must be remembered from now on: then no node takes it up or keeps it.
    pub remember_for: Duration,
}

impl SharedNonce {
    pub(super) fn new(session: &Session, nonce: &str, remember_for: Duration) -> Self {
        Self {
            session: short(session.own_nonce()),
            nonce: short(nonce),
            remember_for,
        }
    }
}

/// Half of a hash: nobody finds another text with the same in less than 2^64 tries, and it would only be refused.
fn short(text: &str) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&sha256(text.as_bytes())[..16]);
    short
}
