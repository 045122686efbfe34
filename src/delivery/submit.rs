//! Taking messages in.

use std::fmt;
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::sync::oneshot;

use crate::db::{DbError, DbHandle};
use crate::events::{is_message_box, is_message_id};
use crate::ids::IdentityKey;
use crate::limits::AddressKey;
use crate::model::{NewMessage, NotServed, Paid, StoreOutcome, Submission, SubmitOutcome};
use crate::payments::{PaymentDraft, PaymentError};

use super::error::DeliveryError;
use super::message_size::all_fit;
use super::till::{Paying, PaymentCounts, Till};

/// Hears of messages that were stored, on the writer's thread: it must not wait.
pub trait Notify: Send + Sync + fmt::Debug {
    /// Whether it wants to hear of messages in this box.
    fn wants(&self, message_box: &str) -> bool;
    /// A message was stored, durably.
    fn stored(&self, message: &NewMessage);
}

/// A message that is taken care of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Stored now, durably. Whoever listens gets it live.
    Stored,
    /// The same sender had sent it before; nothing happens twice.
    Already,
}

/// Where messages are handed in; cheap to clone.
#[derive(Clone)]
pub struct Delivery {
    pub(super) db: DbHandle,
    pub(super) till: Till,
    notify: Option<Arc<dyn Notify>>,
    /// Bytes of a message in a list.
    max_message_bytes: usize,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("db", &self.db)
            .finish_non_exhaustive()
    }
}

impl Delivery {
    /// Delivers into this database.
    #[must_use]
    pub fn new(db: DbHandle, paying: Arc<Paying>, notify: Option<Arc<dyn Notify>>) -> Self {
        Self {
            till: Till::new(db.clone(), paying),
            db,
            notify,
            max_message_bytes: usize::MAX,
        }
    }

    /// The same for a client at this address: see [`DbHandle::from_address`].
    #[must_use]
    pub fn from_address(&self, address: Option<AddressKey>) -> Self {
        self.with_db(&self.db.from_address(address))
    }

    /// Refuses messages that take more bytes than this in a list.
    #[must_use]
    pub fn with_max_message_bytes(mut self, max: usize) -> Self {
        self.max_message_bytes = max;
        self
    }

    /// The same over this handle, which may be for one request or one client.
    #[must_use]
    pub fn with_db(&self, db: &DbHandle) -> Self {
        Self {
            till: self.till.with_db(db.clone()),
            db: db.clone(),
            notify: self.notify.clone(),
            max_message_bytes: self.max_message_bytes,
        }
    }

    /// Whether the operator serves this identity.
    ///
    /// # Errors
    /// [`NotServed`].
    pub fn serves(&self, identity: &IdentityKey) -> Result<(), NotServed> {
        self.db.identity_lists().check(identity)
    }

    /// Payments since the start.
    #[must_use]
    pub fn payments(&self) -> &PaymentCounts {
        &self.till.counts
    }

    /// Hands a message in. `reply` is called once it is durable, or refused; in the order of commits, and
    /// before the message is delivered live.
    ///
    /// Permissions and fees are looked up in the transaction that stores it; where a fee is due it is refused.
    pub fn submit(
        &self,
        message: NewMessage,
        reply: impl FnOnce(Result<Sent, DeliveryError>) + Send + 'static,
    ) {
        let messages = vec![message];
        if let Err(error) = self.check(&messages, 0) {
            return reply(Err(error));
        }
        let submission = Submission {
            messages,
            paid: None,
            has_payment: false,
        };
        self.hand_in(submission, move |outcomes| {
            let sent = outcomes.map(|sent| sent.first().copied().unwrap_or(Sent::Already));
            reply(sent);
        });
    }

    /// Hands messages of one sender to one box in, all or none, and waits. Dropping the future takes nothing back
    /// that was handed in.
    ///
    /// The steps: check; fees; payment; store and commit, and reply; then live delivery, which
    /// [`crate::db::MessagesStored`] sets off.
    ///
    /// Says of each message what became of it.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub async fn send(
        &self,
        messages: Vec<NewMessage>,
        payment: Option<PaymentDraft>,
    ) -> Result<Vec<Sent>, DeliveryError> {
        let payment_bytes = payment.as_ref().map_or(0, PaymentDraft::encoded_len);
        self.check(&messages, payment_bytes)?;
        let has_payment = payment.is_some();
        let Some(draft) = payment.filter(PaymentDraft::is_offered) else {
            return self.store(messages, None, has_payment).await;
        };
        // What is sent again is not paid for again.
        match self.db.inspect(messages.clone()).await? {
            SubmitOutcome::Due(quote) => self.send_paid(messages, draft, quote).await,
            outcome => refusal(outcome),
        }
    }

    /// Checks messages with one body, and with what may be paid along.
    fn check(&self, messages: &[NewMessage], payment: usize) -> Result<(), DeliveryError> {
        messages.iter().try_for_each(check)?;
        if all_fit(messages, payment, self.max_message_bytes) {
            Ok(())
        } else {
            Err(DeliveryError::TooLarge(self.max_message_bytes))
        }
    }

    pub(super) async fn store(
        &self,
        messages: Vec<NewMessage>,
        paid: Option<Paid>,
        has_payment: bool,
    ) -> Result<Vec<Sent>, DeliveryError> {
        let (sender, receiver) = oneshot::channel();
        let submission = Submission {
            messages,
            paid,
            has_payment,
        };
        self.hand_in(submission, move |outcomes| {
            drop(sender.send(outcomes));
        });
        receiver
            .await
            .unwrap_or(Err(DeliveryError::Store(DbError::Closed)))
    }

    fn hand_in(
        &self,
        submission: Submission,
        reply: impl FnOnce(Result<Vec<Sent>, DeliveryError>) + Send + 'static,
    ) {
        let first = submission.messages.first();
        let told = match (&self.notify, first) {
            (Some(notify), Some(first)) if notify.wants(&first.message_box) => {
                Some((Arc::clone(notify), submission.messages.clone()))
            }
            _ => None,
        };
        log::debug!("{} messages wait to be stored", submission.messages.len());
        self.db.submit(submission, move |outcome| {
            let outcomes = outcome.map_err(DeliveryError::from).and_then(refusal);
            if let (Ok(outcomes), Some((notify, messages))) = (&outcomes, told) {
                for (message, sent) in messages.iter().zip(outcomes) {
                    if *sent == Sent::Stored {
                        notify.stored(message);
                    }
                }
            }
            match &outcomes {
                Ok(sent) => log::debug!("{} messages are stored", sent.len()),
                Err(error) => log::debug!("messages are not stored: {error}"),
            }
            reply(outcomes);
        });
    }
}

fn refusal(outcome: SubmitOutcome) -> Result<Vec<Sent>, DeliveryError> {
    let sent = |outcome: &StoreOutcome| match outcome {
        StoreOutcome::Stored => Sent::Stored,
        _ => Sent::Already,
    };
    Err(match outcome {
        SubmitOutcome::Stored(outcomes) => return Ok(outcomes.iter().map(sent).collect()),
        SubmitOutcome::Taken(_) => DeliveryError::MessageIdTaken,
        SubmitOutcome::Blocked(recipients) => DeliveryError::Blocked(recipients),
        SubmitOutcome::Due(quote) => DeliveryError::PaymentRequired(quote),
        SubmitOutcome::Full(exceeded) => DeliveryError::Full(exceeded),
        SubmitOutcome::Spent(part) => PaymentError::Reused(part).into(),
    })
}

fn check(message: &NewMessage) -> Result<(), DeliveryError> {
    if !is_message_id(&message.message_id) {
        return Err(DeliveryError::MessageId);
    }
    if !is_message_box(&message.message_box) {
        return Err(DeliveryError::MessageBox);
    }
    // The store keeps milliseconds: what expires within the current one would never be listed.
    let millisecond = |time: OffsetDateTime| time.unix_timestamp_nanos().div_euclid(1_000_000);
    let now = millisecond(OffsetDateTime::now_utc());
    if message.expires_at.is_some_and(|at| millisecond(at) <= now) {
        return Err(DeliveryError::Expired);
    }
    Ok(())
}
