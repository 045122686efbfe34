//! Where settings come from: files, variables, flags, and the variables of other servers.

pub(crate) mod cli;
pub(crate) mod database_url;
pub(crate) mod env_file;
pub(crate) mod layers;
pub(crate) mod similar;
pub(crate) mod typescript_server;
