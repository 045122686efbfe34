//! A client's and the server's state machines against each other, in memory, on a clock that the test moves.
//!
//! The server's half is the server's own code: `engineio::Connection` under an `Application`. The client's half does what the
//! published clients do, on the crate's codecs. No test waits: an hour of heartbeats takes milliseconds.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests fail by panicking"
)]

mod client;
mod log;
mod member;
mod pair;
mod server;

mod loss;
mod pacing;
mod replay;
mod revival;
mod upgrade;
mod upkeep;
