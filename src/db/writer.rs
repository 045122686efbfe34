//! The writer's thread: its queue, its groups, and one transaction per group.

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
