//! The lines that a server logs when it starts and stops.

pub(crate) mod start_stop_log;
pub(crate) mod startup_log;
