//! Why a message was not taken, and how that is said on a socket. (How it is said over HTTP stands in
//! `http::error`.)

use thiserror::Error;

use crate::db::DbError;
use crate::events::Refusal;
use crate::ids::IdentityKey;
use crate::model::{FeeQuote, QuotaExceeded, Role};
use crate::payments::{PaymentError, ReceiveError};

/// A message that was not stored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeliveryError {
    /// Its id is in use for this recipient: by another sender, or by the same one in another box.
    #[error("the message id is in use for this recipient, in another box or by another sender")]
    MessageIdTaken,
    /// Its id is blank, too long, or one that not every database stores.
    #[error("the message id is blank, longer than 256 bytes, or has U+0000")]
    MessageId,
    /// Clients cannot read the name of its box.
    #[error(
        "the name of the message box is blank, longer than 128 bytes, or has control or bidi characters"
    )]
    MessageBox,
    /// It would take more bytes in a list than allowed: so many.
    #[error("the message takes more than {0} bytes in a list")]
    TooLarge(usize),
    /// It expires before it is sent.
    #[error("the message has expired")]
    Expired,
    /// These recipients block the sender.
    #[error("blocked by {} recipient(s)", .0.len())]
    Blocked(Vec<IdentityKey>),
    /// It would exceed a quota.
    #[error("{} has more than its {} of {} {}", .0.identity, .0.role.word(), .0.limit, .0.resource.word())]
    Full(QuotaExceeded),
    /// There is something to pay and nothing was paid.
    #[error("there is a fee to pay")]
    PaymentRequired(FeeQuote),
    /// What was paid does not pay what is due.
    #[error(transparent)]
    Payment(#[from] PaymentError),
    /// Who takes the server's fee did not take it.
    #[error(transparent)]
    Cashier(#[from] ReceiveError),
    /// The store could not take it.
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
