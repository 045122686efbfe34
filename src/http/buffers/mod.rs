//! The memory of bodies and of lists, and the clients that are taking large answers.

pub(super) mod body;
mod held;
pub(super) mod list_memory;
pub(super) mod readers;
