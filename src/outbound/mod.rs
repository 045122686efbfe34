//! Requests to HTTP services of others: wallets, block headers services, overlay services, Google, MessageBox servers.
//!
//! `tls` holds the one TLS configuration and `http` the one way to make an HTTP client. `service` posts a body and reads
//! the answer within a bound of bytes and of time. `wallet` is the client of a BRC-100 wallet. `probe` is what asking a
//! service whether it works has found; `clock_offset` is what its answer tells of this machine's clock.

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
