//! Integration tests: a real server in this process, real connections to it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests fail by panicking"
)]

#[expect(dead_code, reason = "tests/needs uses the rest of it")]
mod support;

mod admin;
mod admin_operations;
mod admission;
mod advertise;
mod archive;
mod asyncapi;
mod attacks_http;
mod attacks_socket;
mod attacks_strings;
mod authsocket;
mod certificates;
mod client;
mod command;
mod command_listen;
mod command_lists;
mod command_names;
mod command_request;
mod command_status;
mod command_terminal;
mod compact;
mod comparison;
mod crash;
mod dashboard;
mod doctor;
mod drain;
mod engineio_polling;
mod engineio_stalls;
mod engineio_upgrade;
mod engineio_websocket;
mod expiry;
mod fees;
mod home;
mod http;
mod identity_lists;
mod limits;
mod loadtest;
mod logs;
mod memory;
mod metrics;
mod odd_requests;
mod odd_transports;
mod operators_data;
mod outbound;
mod pacing;
mod pages;
mod panics;
mod payments;
mod push;
mod quotas;
mod sessions;
mod slow_requests;
mod socket_sessions;
mod socketio;
mod stopped_clients;
