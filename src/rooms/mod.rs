//! Rooms: who is a member of what, and the fan-out of events to members.
//!
//! Holds recipients of its own commands, never sockets: nothing here knows what a member is made of.

mod access;
mod backlog;
mod commands;
mod deferred;
mod handle;
mod hot_rooms;
mod inspection;
mod interest;
mod membership;
mod registry;
mod relay;
mod remote;
mod seen;
mod topic;

pub use access::RoomAccess;
pub use backlog::Arrival;
pub use commands::{Admit, Deliver, GetStatus, Gone, Join, Lagging, Leave, Publish, RoomsStatus};
pub use handle::{RoomSettings, RoomsHandle};
pub use inspection::{
    GetTopRooms, InspectMember, InspectRoom, ListRooms, MemberRooms, RoomSummary, TopRooms,
};
pub use interest::TopicChange;
pub use membership::Membership;
pub use registry::RoomRegistry;
pub use remote::{CutOff, Outgoing, Outward, Remember, RemoteEvent, RemoteEvents};
pub use seen::EventKey;
pub use topic::Topic;
