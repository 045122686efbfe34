//! A client of the MessageBox and AuthSocket protocols. It uses the same codecs as the server.
//!
//! It relies only on what the protocols promise, so it works with any server:
//!
//! ```text
//! message_box                  the operations         auth_socket   signed events over Socket.IO
//! brc104, unsigned             HTTP requests          socket_io     namespace, events, heartbeat
//! address                      URLs of the server     transport     websocket, polling, upgrade
//! ```
//!
//! Whatever a server gets wrong is a [`ClientError`]. [`ClientError::failure`] classifies it by its cause. The client
//! verifies every event, unless the caller passes an [`UnverifiedReader`].
//!
//! # Send, list, acknowledge
//!
//! [`MessageBoxClient`] manages one party's boxes on one server over authenticated HTTP. It completes the handshake
//! when needed, and again when the server forgot the session. It also has methods for permissions, quotes and devices.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use messagebox::auth::Identity;
//! use messagebox::client::{
//!     Connector, MessageBoxClient, TransportKind, encrypt_body, message_id, read_stored_body,
//! };
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let connector = Connector::new("http://localhost:8080".parse()?, TransportKind::Websocket)
//!     .with_timeout(Duration::from_secs(30))?;
//! let (alice, bob) = (Arc::new(Identity::random()), Arc::new(Identity::random()));
//!
//! let from = MessageBoxClient::new(connector.clone(), Arc::clone(&alice));
//! let to = bob.identity_key();
//! let id = message_id(&alice, to, "hello")?;
//! from.send(to, "inbox", &id, &encrypt_body(&alice, to, "hello")?).await?;
//!
//! let inbox = MessageBoxClient::new(connector, Arc::clone(&bob));
//! for message in inbox.list("inbox").await? {
//!     let body = read_stored_body(&bob, &message.sender, &message.body)?;
//!     println!("{}: {}", message.sender, body.text);
//!     inbox.acknowledge(&[message.message_id]).await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Live
//!
//! [`AuthSocket`] is a socket on which both sides have authenticated. It fails when its connection breaks, and when it
//! receives nothing for longer than the server's heartbeat allows. To continue, connect again and list the messages
//! that arrived meanwhile.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use messagebox::auth::Identity;
//! use messagebox::client::{AuthSocket, Connector, read_live_body};
//! use messagebox::ids::RoomId;
//!
//! # async fn example(connector: Connector, bob: Arc<Identity>) -> Result<(), Box<dyn std::error::Error>> {
//! let mut socket = AuthSocket::connect(&connector, Arc::clone(&bob)).await?;
//! let room = RoomId::of(&bob.identity_key(), "inbox");
//! socket.join(&room).await?;
//! loop {
//!     let event = socket.next_event().await?;
//!     if let Some(message) = event.message_of(&room) {
//!         let body = read_live_body(&bob, &message.sender, &message.body)?;
//!         println!("{}: {}", message.sender, body.text);
//!     }
//! }
//! # }
//! ```
//!
//! # What went wrong
//!
//! ```no_run
//! use messagebox::client::{ClientError, Failure, MessageBoxClient};
//!
//! # async fn example(inbox: MessageBoxClient) {
//! match inbox.list("inbox").await {
//!     Ok(messages) => println!("{} messages", messages.len()),
//!     Err(ClientError::Refused { status: 402, satoshis, .. }) => println!("it costs {satoshis:?}"),
//!     Err(error) if error.failure() == Failure::Unreachable => println!("try again: {error}"),
//!     Err(error) => println!("{error}"),
//! }
//! # }
//! ```
#![warn(missing_docs)]

mod address;
mod auth_socket;
mod brc104;
mod error;
mod message_box;
mod received_event;
mod socket_io;
mod transport;
mod unsigned;

pub use address::{AddressError, ServerAddress};
pub use auth_socket::{AuthSocket, UnverifiedReader};
pub use brc104::{Brc104Client, SignedReply};
pub use error::{ClientError, Failure};
pub use message_box::body::{
    PlainBody, encrypt_body, has_payment, message_id, read_live_body, read_stored_body,
};
pub use message_box::devices::{NewDevice, RegisteredDevice};
pub use message_box::outgoing::OutgoingMessage;
pub use message_box::page::{BoxMessage, BoxPage, OversizedBoxMessage, PageStart};
pub use message_box::permissions::{BoxPermission, MessageQuote};
pub use message_box::{MessageBoxClient, SendOutcome};
pub use received_event::{ReceivedEvent, ReceivedMessage};
pub use transport::{Connector, TransportKind};
pub use unsigned::UnsignedReply;

/// Largest response or websocket frame in bytes. The servers in use send less.
const MAX_ANSWER: usize = 64 * 1024 * 1024;
