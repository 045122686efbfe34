//! The terminal and the files of the user.

pub(crate) mod expiry;
pub(crate) mod folder;
pub(crate) mod key_file;
pub(crate) mod message;
pub(crate) mod names;
pub(crate) mod output;
pub(crate) mod party;
pub(crate) mod signals;
