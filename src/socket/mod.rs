//! The actor per connected socket, and the table that finds it by session id.
//!
//! A [`Socket`] outlives the move from polling to a websocket. It is a plain actix actor, not the
//! websocket's own: that one is frozen for as long as its client does not read. It owns one
//! [`crate::engineio::EngineSession`] and one [`Application`], orders them, and decides nothing that they can.

mod actor;
mod application;
mod carrier;
mod commands;
mod feed;
mod kill;
mod record;
mod table;

pub use actor::Socket;
pub use application::{Application, Link, Opening, OpeningRefused, TooFast};
pub use carrier::{CloseTransport, LinkId};
pub use commands::{
    Attach, Close, FromWebsocket, Ingest, IngestRefused, Malformed, Poll, PollAborted, PollAnswer,
    PollUndelivered, WebsocketGone,
};
pub use feed::Feed;
pub use kill::Kill;
pub use record::{SocketCounts, SocketRecord};
pub use table::{SocketTable, TableFull};
