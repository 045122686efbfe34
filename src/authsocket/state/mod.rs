//! The parts of a session that hold state and send nothing.

pub(super) mod framer;
pub(super) mod held;
pub(super) mod paced_queue;
pub(super) mod phase;
pub(super) mod reply_queue;
pub(super) mod upkeep;
