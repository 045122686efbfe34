//! Why a message is refused, and the refusal that a socket sends. `http::error` has the answers over HTTP.

use thiserror::Error;

use crate::db::DbError;
use crate::events::Refusal;
use crate::ids::IdentityKey;
use crate::model::{FeeQuote, QuotaExceeded, Role};
use crate::payments::{PaymentError, ReceiveError};

/// Why a message was not stored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeliveryError {
    /// The recipient has a message with this id: of another sender, or in another box.
    #[error("the message id is in use for this recipient, in another box or by another sender")]
    MessageIdTaken,
    /// The id is blank, too long, or not storable in every database.
    #[error("the message id is blank, longer than 256 bytes, or has U+0000")]
    MessageId,
    /// Clients cannot read the name of the box.
    #[error(
        "the name of the message box is blank, longer than 128 bytes, or has control or bidi characters"
    )]
    MessageBox,
    /// The message would have more bytes in a list than this limit.
    #[error("the message takes more than {0} bytes in a list")]
    TooLarge(usize),
    /// The message has already expired.
    #[error("the message has expired")]
    Expired,
    /// The recipients that block the sender.
    #[error("blocked by {} recipient(s)", .0.len())]
    Blocked(Vec<IdentityKey>),
    /// The message would exceed a quota.
    #[error("{} has more than its {} of {} {}", .0.identity, .0.role.word(), .0.limit, .0.resource.word())]
    Full(QuotaExceeded),
    /// A fee is due and the message has no payment.
    #[error("there is a fee to pay")]
    PaymentRequired(FeeQuote),
    /// The payment does not cover the fee.
    #[error(transparent)]
    Payment(#[from] PaymentError),
    /// The server's part of the payment was not accepted.
    #[error(transparent)]
    Cashier(#[from] ReceiveError),
    /// The database did not store the message.
    #[error(transparent)]
    Store(#[from] DbError),
}

impl From<&DeliveryError> for Refusal {
    fn from(error: &DeliveryError) -> Self {
        match error {
            DeliveryError::MessageIdTaken => Self::DuplicateMessage,
            DeliveryError::MessageId => Self::MessageId,
            DeliveryError::MessageBox => Self::MessageBox,
            DeliveryError::TooLarge(_) | DeliveryError::Store(DbError::TooLarge(_)) => {
                Self::TooLarge
            }
            DeliveryError::Expired => Self::Expiry,
            DeliveryError::Blocked(_) => Self::Blocked,
            DeliveryError::PaymentRequired(_)
            | DeliveryError::Payment(_)
            | DeliveryError::Cashier(_) => Self::PaymentRequired,
            DeliveryError::Full(exceeded) => match exceeded.role {
                Role::Inbox => Self::InboxFull,
                Role::Sender => Self::SenderFull,
            },
            DeliveryError::Store(DbError::LowDisk) => Self::StorageFull,
            DeliveryError::Store(DbError::Overloaded) => Self::Overloaded,
            DeliveryError::Store(_) => Self::NotStored,
        }
    }
}
