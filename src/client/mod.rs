//! A client of the MessageBox and AuthSocket protocols, on the server's own codecs.
//!
//! It relies on nothing but what the protocols promise, so it works with any server of them:
//!
//! ```text
//! message_box   send, list, acknowledge           auth_socket   signed events over Socket.IO
//! brc104        authenticated HTTP requests        socket_io     namespaces, events, heartbeat
//! address       where the server is                websocket, polling   the two transports
//! ```
//!
//! Everything that a server may get wrong is a [`ClientError`]. What comes in is verified, unless the caller asks
//! for less by name ([`Reading::Unverified`]).

mod address;
mod auth_socket;
mod brc104;
mod error;
mod message_box;
mod polling;
mod received_event;
mod socket_io;
mod transport;
mod websocket;

pub use address::{AddressError, ServerAddress};
pub use auth_socket::{AuthSocket, Reading};
pub use brc104::{Brc104Client, Reply};
pub use error::ClientError;
pub use message_box::{MessageBoxClient, StoredMessage};
pub use received_event::ReceivedEvent;
pub use transport::{Connector, TransportKind};
