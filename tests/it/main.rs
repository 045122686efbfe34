//! Integration tests: a real server in this process, real connections to it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests fail by panicking"
)]

mod support;

mod asyncapi;
mod authsocket;
mod certificates;
mod client;
mod comparison;
mod crash;
mod engineio_polling;
mod engineio_stalls;
mod engineio_upgrade;
mod engineio_websocket;
mod expiry;
mod fees;
mod http;
mod loadtest;
mod payments;
mod push;
mod socketio;
