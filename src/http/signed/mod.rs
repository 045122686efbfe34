//! BRC-104: sessions, and the requests and replies that are signed on them.

pub(in crate::http) mod authenticate;
pub(in crate::http) mod certificates;
pub(in crate::http) mod handshake;
pub(in crate::http) mod request_scope;
pub(in crate::http) mod session_lookup;
mod shared_sessions;
mod sign;

pub use shared_sessions::{Claimed, SharedSessions, VerifiedRequest};
