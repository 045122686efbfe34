//! The AuthSocket application: what a connected client may ask for, and the answers.
//!
//! [`AuthSocketSession`] owns one value of each pure layer: a Socket.IO connection and a BRC-103 peer. A Socket.IO packet
//! holds an auth message, whose verified event becomes a command to rooms or delivery. Answers go the opposite way.

mod access_log;
mod admission;
mod counts;
mod dispatch;
mod handshakes;
mod inbound;
mod large_messages;
mod lost_sessions;
mod outbound;
mod service;
mod session;
mod state;

pub use counts::EventCounts;
pub use lost_sessions::LostSessions;
pub use service::{AuthSocketService, AuthSocketSettings, SocketRates};
pub use session::AuthSocketSession;
