//! MessageBox Router: an actor-based, mutually authenticated message router.
//!
//! Bytes come in at the bottom and go one way up:
//!
//! ```text
//! http        actix-web shell: BRC-104 middleware, MessageBox routes, polling and websocket endpoints
//! authsocket  the application on a socket: AuthMessages, application events, rooms, revival
//! socket      the actor per connected socket and the table of them
//! delivery    the one path that a message takes, however it came in
//! payments    what a client says it has paid, held against its transaction      push   told of what was stored
//! overlay     where an identity can be reached, made public through its wallet
//! engineio    Engine.IO v4 (pure)      socketio   Socket.IO v5 (pure)
//! auth        BRC-103 peer sessions and BRC-104 canonical bytes (pure)
//! events      application events: names, payloads, refusals (pure)
//! rooms  db   actors with a pure core each      model   the plain values that they hand to each other
//! outbound    HTTP requests to services of others: one TLS configuration, answers within a bound
//! cluster     room events from and to other nodes
//! metrics     counters and histograms that layers keep of themselves      admin   asks everybody how things are
//! health      whether the server can do its work      panics   contained and counted
//! limits      what one address, identity or socket may have and ask for
//! config, telemetry, server (composition root)
//! documents   completions and manual pages of the programs
//! client      the other end: what a client does, for the command and the load test; no layer of the server knows it
//! ```
//!
//! The pure layers know no actix, tokio, diesel, clock or I/O: time is an argument.
//! `tests/tidy.rs` holds these rules; `ARCHITECTURE.md` gives the reasons.

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
