//! Statements, and the commands that run them in the writer's transaction.

pub(super) mod command;
pub(super) mod device_store;
pub(super) mod fees;
pub(super) mod identity_list_store;
pub(super) mod messages;
pub(super) mod payments;
pub(super) mod permission_store;
pub(super) mod requester;
pub(super) mod sessions;
pub(super) mod totals;
pub(super) mod upkeep;
