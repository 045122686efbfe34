//! Sending and reading messages.

pub(crate) mod ack;
pub(crate) mod list;
pub(crate) mod listen;
pub(crate) mod quote;
pub(crate) mod send;
