//! Sessions that all processes share, and the changes that writes make to them.

pub(crate) mod session_step;
pub(crate) mod session_store;
