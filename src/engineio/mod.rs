//! Engine.IO v4: packets, payloads, handshake, heartbeat, upgrade and outbox, without I/O.
//!
//! [`EngineSession`] is the state machine of one session. Its driver calls a `handle_*` method for each thing that
//! happens. After each call it drains [`EngineSession::poll_event`] and [`EngineSession::poll_transmit`]. It calls
//! [`EngineSession::handle_timeout`] once [`EngineSession::poll_timeout`] has passed.
//!
//! Source: Engine.IO protocol, revision 4. Not implemented: revision 3, WebTransport, compression.
#![warn(missing_docs)]

mod close_reason;
mod codec;
mod config;
mod handshake;
mod heartbeat;
mod outbox;
mod output;
mod session;
mod upgrade;

pub use close_reason::CloseReason;
pub use codec::{Data, DecodeError, Frame, Packet, SharedFrame, decode_payload, encode_payload};
pub use config::EngineConfig;
pub use handshake::{EngineQuery, HandshakeError, TransportKind};
pub use output::{EngineEvent, PollRefused, Transmit};
pub use session::EngineSession;
pub use upgrade::UpgradeRefused;
