//! The actor of each connected socket, and the table that finds it by session id.
//!
//! A [`Socket`] survives the upgrade from polling to a websocket. It is a plain actix actor: the actor of a websocket is
//! frozen while its client does not read. It owns one [`crate::engineio::EngineSession`] and one [`Application`]. It calls
//! them in order and leaves all decisions to them.

mod abort_handle;
mod actor;
mod application;
mod carrier;
mod commands;
mod frame_queue;
mod record;
mod table;

pub use abort_handle::AbortHandle;
pub use actor::{Socket, SocketTable};
pub use application::{Application, Link, Opening, OpeningRefused, TooFast};
pub use carrier::{CloseTransport, LinkId, Poll, PollAnswer, WebsocketLink};
pub use commands::{Attach, Close, FromTransport, FromWebsocket, Ingest, IngestRefused};
pub use frame_queue::FrameQueue;
pub use record::{SocketCounts, SocketRecord};
pub use table::{ActorTable, TableFull};
