//! Statements, and the commands that run them in the writer's transaction.

pub(super) mod command;
pub(super) mod device_store;
pub(super) mod expiry;
pub(super) mod fees;
mod filling;
pub(super) mod identity_list_store;
pub(super) mod lane;
pub(super) mod message_list;
pub(super) mod message_store;
pub(super) mod missed;
pub(super) mod page_marks;
pub(super) mod payment_replays;
pub(super) mod payment_store;
pub(super) mod permission_store;
pub(super) mod probe;
pub(super) mod recount;
pub(super) mod session_step;
pub(super) mod session_store;
pub(super) mod shrink;
pub(super) mod size;
pub(super) mod totals;
pub(super) mod waiting;
