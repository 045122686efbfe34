//! The memory of bodies and of lists, and the clients that are taking large answers.

pub(in crate::http) mod body;
pub(in crate::http) mod list_memory;
pub(in crate::http) mod readers;
