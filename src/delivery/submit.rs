//! Taking a message in.

use tokio::sync::oneshot;

use crate::db::{DbError, DbHandle, NewMessage, StoreOutcome};
use crate::events::{MAX_MESSAGE_BOX_CHARS, MAX_MESSAGE_ID_CHARS};

use super::error::DeliveryError;

/// A message that is taken care of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Stored now, durably. Whoever listens gets it live.
    Stored,
    /// The same sender had sent it before; nothing happens twice.
    Already,
}

/// Where messages are handed in; cheap to clone.
#[derive(Debug, Clone)]
pub struct Delivery {
    db: DbHandle,
}

impl Delivery {
    /// Delivers into this database.
    #[must_use]
    pub const fn new(db: DbHandle) -> Self {
        Self { db }
    }

    /// Hands a message in. `reply` is called once it is durable, or refused; in the order of commits, and
    /// before the message is delivered live.
    ///
    /// The steps: check; (permissions, fees and payment belong here, before anything is stored); store and
    /// commit, and reply; then live delivery, which [`crate::db::MessagesStored`] sets off.
    pub fn submit(
        &self,
        message: NewMessage,
        reply: impl FnOnce(Result<Sent, DeliveryError>) + Send + 'static,
    ) {
        if let Err(error) = check(&message) {
            return reply(Err(error));
        }
        self.db.store(message, move |stored| {
            reply(match stored {
                Ok(StoreOutcome::Stored) => Ok(Sent::Stored),
                Ok(StoreOutcome::Duplicate) => Ok(Sent::Already),
                Ok(StoreOutcome::TakenByAnotherSender) => Err(DeliveryError::MessageIdTaken),
                Err(error) => Err(error.into()),
            });
        });
    }

    /// Hands a message in and waits. Dropping the future takes nothing back.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub async fn send(&self, message: NewMessage) -> Result<Sent, DeliveryError> {
        let (sender, receiver) = oneshot::channel();
        self.submit(message, move |result| drop(sender.send(result)));
        receiver
            .await
            .unwrap_or(Err(DeliveryError::Store(DbError::Closed)))
    }
}

fn check(message: &NewMessage) -> Result<(), DeliveryError> {
    let fits = |text: &str, max| !text.trim().is_empty() && text.chars().count() <= max;
    if !fits(&message.message_id, MAX_MESSAGE_ID_CHARS) {
        return Err(DeliveryError::MessageId);
    }
    if !fits(&message.message_box, MAX_MESSAGE_BOX_CHARS) {
        return Err(DeliveryError::MessageBox);
    }
    Ok(())
}
