//! Requests to other HTTP services: wallets, block header services, overlay services, Google, MessageBox servers.
//!
//! `tls` holds the only TLS configuration. `http` creates all HTTP clients. `service` posts a body and reads the answer,
//! both bounded in bytes and time. `wallet` is the client of a BRC-100 wallet. `probe` is the result of a health check.
//! `clock_offset` is the clock difference that an answer shows.

mod clock_offset;
mod failure;
pub mod http;
mod probe;
mod service;
pub mod tls;
mod wallet;

pub use clock_offset::{ClockError, ClockOffset};
pub use failure::RemoteFailure;
pub use probe::Probed;
pub use service::{Answer, Posted, Service};
pub use wallet::{WalletFailure, WalletHttp};

#[cfg(test)]
pub(crate) mod stand;
