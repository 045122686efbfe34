//! Errors of payments.

use thiserror::Error;

use crate::ids::IdentityKey;
use crate::model::SpentPart;

/// A payment that does not pay, always by the sender's fault. The texts match other servers where they have one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PaymentError {
    /// A fee is due, but the transaction or the list of outputs is missing.
    #[error("Payment transaction data is required for payable delivery.")]
    MissingTransaction,
    /// The server asks for a fee, but no output is named.
    #[error("Delivery fee required but no outputs were provided.")]
    MissingDeliveryOutput,
    /// There are fewer outputs than recipients that ask for a fee.
    #[error("Expected at least {expected} recipient output(s) but received {found}")]
    TooFewOutputs {
        /// Recipients that ask for a fee.
        expected: usize,
        found: usize,
    },
    /// There are too few outputs after the server's own.
    #[error("Expected at least {expected} additional recipient output(s) but only {found} remain")]
    TooFewRemaining {
        /// Recipients that ask for a fee.
        expected: usize,
        found: usize,
    },
    /// No output is for this recipient.
    #[error("Recipient fee required but no outputs were provided for {0}")]
    MissingRecipientOutput(IdentityKey),
    /// An output matches none of the recipients, or several.
    #[error("The payment is not valid: an output does not say which recipient it is for")]
    OutputForNobody,
    /// The payment is unreadable, or its transaction is invalid.
    #[error("The payment is not valid: {0}")]
    Invalid(String),
    /// It pays the wrong key, or too little.
    #[error("Payment was not accepted by the server: {0}")]
    Insufficient(String),
    /// A part of it has already paid for something else.
    #[error("Payment was not accepted by the server: {0}")]
    Reused(SpentPart),
    /// The block header service could not be asked.
    #[error("The block headers could not be asked: {0}")]
    Headers(String),
}

impl PaymentError {
    pub(super) fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid(reason.into())
    }
}
