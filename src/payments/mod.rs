//! Payments: what a client says it has paid, checked against the transaction that it brings.
//!
//! `beef` and below are pure: bytes in, a verdict out. Nothing here is stored; `db` keeps what was taken, once for each
//! output, and `cashier` is the one interface behind which a wallet takes it, or nobody does and it is kept.

mod allocation;
mod beef;
mod brc29;
mod cashier;
mod check;
mod draft;
mod error;
mod headers;
mod multipart;
mod request_payment;
mod scripts;
mod settlement;
mod spends;
mod verdict_cache;

pub use beef::{Checked, CheckedTransaction};
pub use brc29::{Derivation, PaymentKeys};
pub use cashier::{Cashier, CashierError, Keeper, ServerPayment, WalletClient};
pub use check::{CheckError, Checks};
pub use draft::PaymentDraft;
pub use error::PaymentError;
pub use headers::BlockHeaders;
pub use multipart::{
    MAX_PART_HEADER_BYTES, MAX_PARTS, MAX_PAYMENT_BYTES, MultipartBody, MultipartError,
    PAYMENT_TRANSPORTS, is_multipart,
};
pub use request_payment::RequestPayment;
pub use scripts::SLICE;
pub use settlement::{Parties, Settlement};
pub use verdict_cache::VerdictCache;
