//! Messages that are submitted together, and their outcome.

use crate::ids::IdentityKey;

use super::message::{NewMessage, StoreOutcome};
use super::payment::{Payment, PaymentState, SpentPart};
use super::permission::FeeQuote;
use super::quota::QuotaExceeded;

/// Messages of one sender to one box, each to another recipient.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The messages, stored all or none.
    pub messages: Vec<NewMessage>,
    pub paid: Option<Paid>,
    /// Whether the request had a payment, even if none was due. Then its messages are not delivered live.
    pub has_payment: bool,
}

/// A verified payment and its amounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// Satoshis to the server.
    pub delivery: u64,
    /// Satoshis to the recipient of each message.
    pub recipients: Vec<u64>,
    pub payment: Payment,
    /// The state of the outputs that pay the server.
    pub state: PaymentState,
}

/// The outcome of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmitOutcome {
    /// All messages are durable: `Stored` or `Duplicate` for each.
    Stored(Vec<StoreOutcome>),
    /// This recipient has another message with the id: from another sender, or in another box.
    Taken(IdentityKey),
    /// These recipients block the sender.
    Blocked(Vec<IdentityKey>),
    /// The payment is smaller than this price.
    Due(FeeQuote),
    /// The messages would exceed this quota.
    Full(QuotaExceeded),
    /// This part of the payment is unavailable.
    Spent(SpentPart),
}
