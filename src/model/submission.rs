//! Messages that are taken in together, and what becomes of them.

use crate::ids::IdentityKey;

use super::message::{NewMessage, StoreOutcome};
use super::payment::{Payment, PaymentState, SpentPart};
use super::quota::QuotaExceeded;
use super::quote::Quote;

/// Messages of one sender to one box, each to another recipient.
#[derive(Debug, Clone)]
pub struct Submission {
    /// What is stored, all of it or nothing.
    pub messages: Vec<NewMessage>,
    /// What was paid for it, verified.
    pub paid: Option<Paid>,
    /// Whether the request had a payment, also where nothing was due: then nothing of it is delivered live.
    pub has_payment: bool,
}

/// A verified payment, and whom it pays how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// Satoshis for the server.
    pub delivery: u64,
    /// Satoshis for the recipient of each message.
    pub recipients: Vec<u64>,
    /// The outputs that pay.
    pub payment: Payment,
    /// What became of those that pay the server.
    pub state: PaymentState,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmitOutcome {
    /// All of it is durable: what became of each message, `Stored` or `Duplicate`.
    Stored(Vec<StoreOutcome>),
    /// The id of the message to this recipient is in use: by another sender, or in another box.
    Taken(IdentityKey),
    /// These recipients block the sender.
    Blocked(Vec<IdentityKey>),
    /// There is more to pay than was paid.
    Due(Quote),
    /// They would exceed this quota.
    Full(QuotaExceeded),
    /// This part of the payment cannot be taken.
    Spent(SpentPart),
}
