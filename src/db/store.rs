//! Statements, and the commands that run them in the writer's transaction.

pub(super) mod command;
pub(super) mod device_store;
pub(super) mod expiry;
pub(super) mod fees;
pub(super) mod identity_list_store;
pub(super) mod message_list;
pub(super) mod message_store;
pub(super) mod missed;
mod page_builder;
pub(super) mod page_cursors;
pub(super) mod payment_replays;
pub(super) mod payment_store;
pub(super) mod permission_store;
pub(super) mod probe;
pub(super) mod recount;
pub(super) mod requester;
pub(super) mod session_step;
pub(super) mod session_store;
pub(super) mod shrink;
pub(super) mod size;
pub(super) mod totals;
pub(super) mod waiting;
