//! Rooms: which sockets are members of which room, and the fan-out of events to them.
//!
//! This layer holds recipients of its own messages. It never sees a socket.

mod backlog;
mod cluster_events;
mod commands;
mod dedup_window;
mod handle;
mod membership;
mod registry;
mod settings;
mod topic;
mod worker_fanout;

pub use backlog::Arrival;
pub use cluster_events::{
    ClusterEvent, ClusterPublisher, CutOff, RemoteEvent, RemoteEvents, RotateDedup,
};
pub use commands::{
    Admit, Deliver, GetRoomsStatus, Publish, RoomsStatus, SlowConsumer, StoredBatch, StoredEvent,
};
pub use dedup_window::EventKey;
pub use handle::{Member, RoomsHandle};
pub use membership::Membership;
pub use registry::RoomRegistry;
pub use registry::inspection::{
    GetTopRooms, InspectMember, InspectRoom, ListRooms, MemberRooms, RoomSummary, TopRooms,
};
pub use settings::{RoomAccess, RoomSettings};
pub use topic::{Topic, TopicChange};
