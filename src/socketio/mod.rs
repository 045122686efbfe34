//! Socket.IO v5: packets, namespaces, acks and binary attachments, without I/O.
//!
//! [`SocketIoClient`] is the state machine of one client. Its driver calls [`SocketIoClient::handle_text`] and
//! [`SocketIoClient::handle_binary`], then drains [`SocketIoClient::poll_event`] and
//! [`SocketIoClient::poll_transmit`]. JSON stays text: the codec validates it and never builds a tree.
//!
//! Source: Socket.IO protocol, revision 5.
#![warn(missing_docs)]

mod attachments;
mod client;
mod config;
mod decode;
mod error;
mod packet;

pub use client::{SocketIoClient, SocketIoEvent};
pub use config::SocketIoConfig;
pub use decode::decode;
pub use error::{ProtocolError, SocketIoDecodeError};
pub use packet::{AckBody, Body, EventBody, Namespace, SocketIoPacket};
