//! Connections to Redis. Only this folder uses the library.

mod address;
mod role;
mod room_link;
mod session_link;

pub use room_link::LinkError;
pub(super) use address::RedisAddress;
pub(super) use room_link::{PushedMessages, RedisLink};
pub(super) use session_link::SessionLink;
