//! Clients that send and receive.

pub(crate) mod marker;
pub(crate) mod member;
pub(crate) mod sender;
pub(crate) mod signature;
pub(crate) mod source;
pub(crate) mod stream;
pub(crate) mod unverified;
