//! Rooms: who is a member of what, and the fan-out of events to members.
//!
//! Holds recipients of its own commands, never sockets: nothing here knows what a member is made of.

mod backlog;
mod cluster_events;
mod commands;
mod dedup_window;
mod handle;
mod interest;
mod membership;
mod registry;
mod settings;
mod topic;
mod worker_fanout;

pub use settings::RoomAccess;
pub use backlog::Arrival;
pub use commands::{Admit, Deliver, GetRoomsStatus, RemoveMember, Join, SlowConsumer, LeaveRoom, Publish, RoomsStatus};
pub use handle::{RoomSettings, RoomsHandle};
pub use registry::inspection::{
    GetTopRooms, InspectMember, InspectRoom, ListRooms, MemberRooms, RoomSummary, TopRooms,
};
pub use interest::TopicChange;
pub use membership::Membership;
pub use registry::RoomRegistry;
pub use cluster_events::{CutOff, ClusterEvent, ClusterPublisher, RotateDedup, RemoteEvent, RemoteEvents};
pub use dedup_window::EventKey;
pub use topic::Topic;
