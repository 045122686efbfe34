//! MessageBox Router: an actor-based, mutually authenticated message router.
//!
//! Bytes enter at the bottom and move up one layer at a time:
//!
//! ```text
//! http         the actix-web shell: endpoints, BRC-104 requests, MessageBox routes
//! authsocket   the application on a socket: auth messages, events, rooms, revival
//! socket       the actor of each connected socket
//! delivery     the path of every message, however it arrived
//! rooms   db   actors with a pure core      cluster   room events between nodes
//! engineio   socketio   auth   events       the protocols, pure
//! ```
//!
//! The server's composition root is `server`. The command and the load test use `client`, which the server never does.
//! Pure rooms use no actix, tokio, diesel, clock or I/O; time is an argument.
//!
//! `docs/layers.md` lists which room may use which, and `tests/tidy` checks it. `ARCHITECTURE.md` gives the reasons.
//!
//! Feature `client` builds the client without the server; feature `server` builds the server without the client.

pub mod auth;
pub mod beef_layout;
pub mod documents;
pub mod engineio;
pub mod events;
pub mod ids;
pub mod js_trim;
pub mod json_depth;
pub mod json_object;
pub mod json_text;
pub mod json_unicode;
#[cfg_attr(
    not(feature = "server"),
    expect(dead_code, reason = "the events of the client need one type of it")
)]
pub mod model;
pub mod outbound;
pub mod overlay;
pub mod socketio;
pub mod throttle;

#[cfg(feature = "client")]
pub mod client;

#[cfg(feature = "server")]
pub mod admin;
#[cfg(feature = "server")]
pub mod authsocket;
#[cfg(feature = "server")]
pub mod backoff;
#[cfg(feature = "server")]
pub mod bounded_list;
#[cfg(feature = "server")]
pub mod cluster;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod db;
#[cfg(feature = "server")]
pub mod delivery;
#[cfg(feature = "server")]
pub mod health;
#[cfg(feature = "server")]
pub mod heavy;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "server")]
pub mod limits;
#[cfg(feature = "server")]
pub mod live;
#[cfg(feature = "server")]
pub mod metrics;
#[cfg(feature = "server")]
pub mod panics;
#[cfg(feature = "server")]
pub mod payments;
#[cfg(feature = "server")]
pub mod push;
#[cfg(feature = "server")]
pub mod rooms;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod socket;
#[cfg(feature = "server")]
pub mod telemetry;

/// Payments for the unit tests of `beef_layout`, `payments` and `overlay`.
#[cfg(test)]
#[path = "../tests/it/support/minting.rs"]
#[expect(unreachable_pub, reason = "shared with the integration tests")]
mod minting;
