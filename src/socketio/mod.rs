//! Socket.IO v5: packets, namespaces, acks and binary attachments, without I/O.
//!
//! [`Connection`] is the machine of one client. Whoever carries its messages calls [`Connection::handle_text`]
//! and [`Connection::handle_binary`], then drains [`Connection::poll_event`] and
//! [`Connection::poll_transmit`]. JSON stays text: it is checked, and never parsed into a tree.
//!
//! Source: Socket.IO protocol, revision 5.

mod attachments;
mod config;
mod connection;
mod decode;
mod error;
mod packet;

pub use config::Config;
pub use connection::{Connection, Event};
pub use decode::decode;
pub use error::{DecodeError, ProtocolError};
pub use packet::{AckBody, Body, EventBody, Namespace, Packet};
