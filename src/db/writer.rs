//! The writer's thread: its queue, its groups, and one transaction per group.

mod claiming;
pub(super) mod committed;
pub(super) mod executor;
mod fair_queue;
pub(super) mod group;
pub(super) mod queue;
pub(super) mod queued_write;
pub(super) mod reads;
mod session_steps;
mod submission;
pub(super) mod thread;
