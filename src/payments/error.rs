//! Why a payment is refused.

use thiserror::Error;

use crate::ids::IdentityKey;
use crate::model::SpentPart;

/// A payment that does not pay. Always the sender's doing. Texts in use elsewhere are kept.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PaymentError {
    /// Something is due and no transaction came, or no list of outputs.
    #[error("Payment transaction data is required for payable delivery.")]
    MissingTransaction,
    /// The server asks for a fee and no output is named.
    #[error("Delivery fee required but no outputs were provided.")]
    MissingDeliveryOutput,
    /// Fewer outputs than recipients who ask for a fee.
    #[error("Expected at least {expected} recipient output(s) but received {found}")]
    TooFewOutputs {
        /// Recipients who ask for a fee.
        expected: usize,
        /// Outputs that were named.
        found: usize,
    },
    /// The same, with the server's own output taken off.
    #[error("Expected at least {expected} additional recipient output(s) but only {found} remain")]
    TooFewRemaining {
        /// Recipients who ask for a fee.
        expected: usize,
        /// Outputs that remain.
        found: usize,
    },
    /// No output is for this recipient.
    #[error("Recipient fee required but no outputs were provided for {0}")]
    MissingRecipientOutput(IdentityKey),
    /// An output is for none of the recipients, or for any of them.
    #[error("The payment is not valid: an output does not say which recipient it is for")]
    OutputForNobody,
    /// The payment cannot be read, or its transaction is not what it claims to be.
    #[error("The payment is not valid: {0}")]
    Invalid(String),
    /// It pays the wrong key, or too little.
    #[error("Payment was not accepted by the server: {0}")]
    Insufficient(String),
    /// A part of it has paid for something else already.
    #[error("Payment was not accepted by the server: {0}")]
    Reused(SpentPart),
    /// The service that knows the block headers could not be asked.
    #[error("The block headers could not be asked: {0}")]
    Headers(String),
}
