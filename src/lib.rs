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

pub mod admin;
pub mod auth;
pub mod authsocket;
pub mod backoff;
pub mod beef_layout;
pub mod bounded_list;
pub mod client;
pub mod cluster;
pub mod config;
pub mod db;
pub mod delivery;
pub mod documents;
pub mod engineio;
pub mod events;
pub mod health;
pub mod heavy;
pub mod http;
pub mod ids;
pub mod js_trim;
pub mod json_depth;
pub mod json_object;
pub mod json_text;
pub mod json_unicode;
pub mod limits;
pub mod live;
pub mod metrics;
pub mod model;
pub mod outbound;
pub mod overlay;
pub mod panics;
pub mod payments;
pub mod push;
pub mod rooms;
pub mod server;
pub mod socket;
pub mod socketio;
pub mod telemetry;
pub mod throttle;

/// Payments for the unit tests of `beef_layout`, `payments` and `overlay`.
#[cfg(test)]
#[path = "../tests/it/support/minting.rs"]
#[expect(unreachable_pub, reason = "shared with the integration tests")]
mod minting;
