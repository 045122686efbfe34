//! Connections to Redis. Only this folder uses the library.

mod address;
mod error;
mod role;
mod room_link;
mod session_link;

pub(super) use address::RedisAddress;
pub use error::LinkError;
pub(super) use room_link::{PushedMessages, RedisLink};
pub(super) use session_link::SessionLink;
