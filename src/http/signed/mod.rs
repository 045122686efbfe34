//! BRC-104: sessions, and the requests and replies that are signed on them.

pub(super) mod certificates;
mod credentials;
pub(super) mod exchange;
pub(super) mod handshake;
pub(super) mod refusal;
pub(super) mod request_scope;
mod session_lookup;
pub(super) mod sessions;
pub(super) mod shared_sessions;
mod sign;

pub use shared_sessions::{Claimed, SharedSessions, VerifiedRequest};
