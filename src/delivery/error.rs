//! Why a message was not taken, and how that is said on a socket. (How it is said over HTTP stands in
//! `http::error`.)

use thiserror::Error;

use crate::db::DbError;
use crate::events::Refusal;

/// A message that was not stored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeliveryError {
    /// Another sender has used its id for this recipient.
    #[error("another sender has used this message id for this recipient")]
    MessageIdTaken,
    /// Its id is blank or too long.
    #[error("the message id is blank or too long")]
    MessageId,
    /// The name of its box is blank or too long.
    #[error("the name of the message box is blank or too long")]
    MessageBox,
    /// The store could not take it.
    #[error(transparent)]
    Store(#[from] DbError),
}

impl From<&DeliveryError> for Refusal {
    fn from(error: &DeliveryError) -> Self {
        match error {
            DeliveryError::MessageIdTaken => Self::DuplicateMessage,
            DeliveryError::MessageId => Self::MessageId,
            DeliveryError::MessageBox => Self::RoomId,
            DeliveryError::Store(DbError::Overloaded) => Self::Overloaded,
            DeliveryError::Store(_) => Self::NotStored,
        }
    }
}
