//! Messages: storing, listing, catching up and expiring them.

pub(crate) mod box_ids;
pub(crate) mod catch_up_query;
pub(crate) mod expiry;
pub(crate) mod message_list;
pub(crate) mod message_store;
mod page_builder;
pub(crate) mod page_cursors;
