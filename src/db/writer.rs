//! The thread that writes: what waits for it, its groups, and one transaction for each group.

mod claiming;
pub(super) mod committed;
pub(super) mod executor;
pub(super) mod group;
pub(super) mod queue;
pub(super) mod reads;
mod session_steps;
mod submission;
pub(super) mod thread;
mod turns;
pub(super) mod write;
