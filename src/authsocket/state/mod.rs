//! What a session keeps, apart from what it does with it.

pub(in crate::authsocket) mod paced_queue;
pub(in crate::authsocket) mod reply_queue;
pub(in crate::authsocket) mod upkeep;
