//! Engine.IO v4: packets, payloads, handshake, heartbeat, upgrade and outbox, without I/O.
//!
//! [`Connection`] is the machine of one session. Whoever carries its bytes calls a `handle_*` method for
//! each thing that happens, then drains [`Connection::poll_event`] and [`Connection::poll_transmit`], and
//! calls [`Connection::handle_timeout`] once [`Connection::poll_timeout`] has passed.
//!
//! Source: Engine.IO protocol, revision 4. Not implemented: revision 3, WebTransport, compression.

mod around;
mod close_reason;
mod config;
mod connection;
mod error;
mod frame;
mod handshake;
mod heartbeat;
mod outbox;
mod output;
mod packet;
mod payload;
mod upgrade;

pub use around::Around;
pub use close_reason::CloseReason;
pub use config::Config;
pub use connection::Connection;
pub use error::DecodeError;
pub use frame::Frame;
pub use handshake::{HandshakeError, OpenPacket, Query, TransportKind};
pub use outbox::Full;
pub use output::{Event, PollRefused, Transmit};
pub use packet::{Data, Packet};
pub use payload::{decode_payload, encode_payload};
pub use upgrade::UpgradeRefused;
