//! What the server does instead of serving.

pub(crate) mod accept;
pub(crate) mod archive;
pub(crate) mod check;
pub(crate) mod compact;
pub(crate) mod export;
pub(crate) mod migrate;
