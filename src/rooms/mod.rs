//! Rooms: who is a member of what, and the fan-out of events to members.
//!
//! Holds recipients of its own commands, never sockets: nothing here knows what a member is made of.

mod access;
mod backlog;
mod commands;
mod handle;
mod membership;
mod registry;
mod relay;

pub use access::RoomAccess;
pub use backlog::Arrival;
pub use commands::{Admit, Deliver, GetStatus, Gone, Join, Lagging, Leave, Publish, RoomsStatus};
pub use handle::{RoomSettings, RoomsHandle};
pub use membership::Membership;
pub use registry::RoomRegistry;
