//! The AuthSocket application: what a connected socket may ask for, and how it is answered.
//!
//! [`AuthSocket`] owns one value of each pure layer (Socket.IO connection, BRC-103 peer) and orders them:
//! Socket.IO packet, auth message, verified event, command to rooms or delivery; and back.

mod access_log;
mod certification;
mod counts;
mod deliveries;
mod dispatch;
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
pub use session::AuthSocket;
