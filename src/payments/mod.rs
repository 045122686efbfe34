//! Payments: checks the payment that a client claims to have made against its transaction.
//!
//! `beef` and the modules below it are pure. This room stores nothing: `db` records each claimed output once. The trait
//! in `receiver` hides who receives a payment: a wallet, or the database.

mod allocation;
mod beef;
mod brc29;
mod draft;
mod error;
mod headers;
mod multipart;
mod receiver;
mod request_payment;
mod verified_payment;

pub use beef::check::{CheckError, Checks};
pub use beef::scripts::SLICE;
pub use beef::verdict_cache::VerdictCache;
pub use beef::{Checked, CheckedTransaction};
pub use brc29::{Derivation, PaymentKeys};
pub use draft::PaymentDraft;
pub use error::PaymentError;
pub use headers::BlockHeaders;
pub use multipart::{
    MAX_PART_HEADER_BYTES, MAX_PARTS, MAX_PAYMENT_BYTES, MultipartBody, MultipartError,
    PAYMENT_TRANSPORTS, is_multipart,
};
pub use receiver::{
    PaymentReceiver, PaymentStore, ReceiveError, Received, ServerPayment, WalletClient,
};
pub use request_payment::RequestPayment;
pub use verified_payment::{Parties, VerifiedPayment};
