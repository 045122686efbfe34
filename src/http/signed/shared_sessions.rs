//! The store through which processes with the same server key share sessions.

use std::fmt::Debug;

use futures_util::future::LocalBoxFuture;

use crate::auth::{Session, SessionRecord};

/// A store of sessions that all nodes share and that outlives them.
///
/// No call fails: without an answer in time, a node continues with the sessions in its memory.
pub trait SharedSessions: Debug + Send + Sync {
    /// Stores a session. `authenticated`: a request has verified on it. Returns whether other nodes can find it now.
    fn store(&self, session: SessionRecord, authenticated: bool) -> LocalBoxFuture<'_, bool>;

    /// Finds the session that has this nonce of the server. None also if the store does not answer.
    fn find<'a>(&'a self, own_nonce: &'a str) -> LocalBoxFuture<'a, Option<SessionRecord>>;

    /// Counts a verified request. A store that counts all requests also prolongs the session.
    fn claim<'a>(&'a self, request: VerifiedRequest<'a>) -> LocalBoxFuture<'a, Claimed>;

    /// Gives a session its full lifetime from now. Returns whether the store still has it.
    fn prolong<'a>(&'a self, own_nonce: &'a str) -> LocalBoxFuture<'a, bool>;

    /// Removes sessions. `authenticated`: requests have verified on them.
    fn end(&self, own_nonces: Vec<String>, authenticated: bool) -> LocalBoxFuture<'_, ()>;
}

/// A request whose signature is valid.
#[derive(Debug, Clone, Copy)]
pub struct VerifiedRequest<'a> {
    /// The session that the request names.
    pub session: &'a Session,
    /// Whether the shared store has that session.
    pub is_stored: bool,
    /// The nonce of the request.
    pub nonce: &'a str,
}

/// What the shared store knows about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// No node has served the request, and no other will.
    First,
    /// A node has served the request.
    Repeated,
    /// The session has ended.
    Ended,
    /// The store counts a request in the transaction of its first write. It does not count requests that only read.
    WithItsWrite,
    /// The store does not answer.
    Unknown,
}
