//! Several servers with one database: room events cross between them through Redis.
//!
//! A node delivers an event to its own members at once, and publishes it under the topic of its room. The other nodes
//! subscribe to the topics that have members there. Redis stores no events. After a gap, a node reads what it missed from
//! the database, in the order of storing. Each event has a key, so that no node delivers it twice.

mod channel;
mod counters;
mod envelope;
mod greeter;
mod handle;
mod inbound;
mod link;
mod node;
mod outbound;
mod peers;
mod sessions;
mod shared;
mod timing;
mod watermarks;

pub use counters::{ClusterStatus, NonceStatus};
pub use handle::{Cluster, ClusterError, check_address};
pub use link::LinkError;
pub use peers::ClusterPeer;
pub use sessions::{ClaimAnswer, RedisSessions, SessionClaim, SessionName, StoreSettings};
pub use shared::ClusterSettings;
