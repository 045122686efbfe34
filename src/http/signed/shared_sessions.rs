//! The store that lets every process with the server's key go on with a session of any other.

use std::fmt::Debug;

use futures_util::future::LocalBoxFuture;

use crate::auth::{Session, SessionRecord};

/// A store of sessions that all nodes share and that outlives them.
///
/// Nothing here fails: without an answer in time, a node goes on with what it has in memory.
pub trait SharedSessions: Debug + Send + Sync {
    /// Stores a session; `proven`: whether a request has verified in it. Says whether other nodes find it now.
    fn store(&self, session: SessionRecord, proven: bool) -> LocalBoxFuture<'_, bool>;

    /// The session that has this nonce of ours. None also where the store does not answer.
    fn find<'a>(&'a self, own_nonce: &'a str) -> LocalBoxFuture<'a, Option<SessionRecord>>;

    /// Counts a request that verified, and prolongs its session if the store counts all requests.
    fn claim<'a>(&'a self, request: VerifiedRequest<'a>) -> LocalBoxFuture<'a, Claimed>;

    /// A request has verified: the session has its full life from now. Says whether the store still has it.
    fn prolong<'a>(&'a self, own_nonce: &'a str) -> LocalBoxFuture<'a, bool>;

    /// Ends sessions; `proven`: whether a request has verified in them. When this is done, the store has none of them.
    fn end(&self, own_nonces: Vec<String>, proven: bool) -> LocalBoxFuture<'_, ()>;
}

/// A request whose signature verified.
#[derive(Debug, Clone, Copy)]
pub struct VerifiedRequest<'a> {
    /// The session that it names.
    pub session: &'a Session,
    /// Whether the store has that session.
    pub is_stored: bool,
    /// Its nonce.
    pub nonce: &'a str,
}

/// What a store says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// No node has served it, and none will serve it again.
    First,
    /// A node has served it.
    Repeated,
    /// Its session has ended.
    Ended,
    /// The store counts a request in the transaction of what it writes, and no request that only reads.
    WithItsWrite,
    /// The store does not answer.
    Unknown,
}
