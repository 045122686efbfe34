//! The Engine.IO endpoint and its two transports: long-polling and websocket.

mod endpoint;
mod fragments;
mod frame_lengths;
mod polling;
mod websocket;
mod websocket_body;
mod websocket_input;

pub use endpoint::{Endpoint, OpenApplication, engineio_off, engineio_scope};
