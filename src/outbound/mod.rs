//! Requests to HTTP services of others: wallets, block headers services, overlay services, Google, MessageBox servers.
//!
//! `tls` holds the one TLS configuration and `http` the one way to make an HTTP client. `service` posts a body and reads
//! the answer within a bound of bytes and of time. `wallet` is the client of a BRC-100 wallet.

mod failure;
pub mod http;
mod service;
pub mod tls;
mod wallet;

pub use failure::RemoteFailure;
pub use service::{Answer, Posted, Service};
pub use wallet::{WalletFailure, WalletHttp};

#[cfg(test)]
pub(crate) mod stand;
