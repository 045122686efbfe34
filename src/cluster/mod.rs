//! Several servers with one database: room events cross from one to the others through Redis.
//!
//! A node delivers what it has stored to its own members at once, and publishes it under the topic of its room; the others
//! subscribe to the topics that have members there. Redis keeps nothing: what was missed while it was away is read from the
//! database, in the order of storing, and every event carries a key by which it is delivered once.

mod channel;
mod counters;
mod envelope;
mod handle;
mod inbound;
mod link;
mod node;
mod outbound;
mod peers;
mod sessions;
mod watermarks;

pub use counters::{ClusterStatus, NonceStatus};
pub use handle::{Cluster, ClusterError, ClusterSettings, Starting, check_address};
pub use link::LinkError;
pub use peers::ClusterPeer;
pub use sessions::{ClaimAnswer, RedisSessions, SessionClaim, SessionName, StoreSettings};
