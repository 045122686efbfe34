//! The actix-web shell: routes, middleware, polling and websocket transports.

mod engineio_endpoint;
mod fragments;
mod polling;
mod tcp;
mod websocket;

pub use engineio_endpoint::{Endpoint, engineio_scope};
pub use tcp::{TcpSettings, on_connect};
