//! Payments, and transactions that paid other kinds of servers.

pub(crate) mod payment_replays;
pub(crate) mod payment_store;
