//! Accepts messages and stores them.

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
use super::payment_gate::{PaymentConfig, PaymentCounts, PaymentGate};

/// Is notified of stored messages. Called on the writer's thread: it must not block.
pub trait Notify: Send + Sync + fmt::Debug {
    /// Whether it wants notices of messages in this box.
    fn wants(&self, message_box: &str) -> bool;
    /// A message of such a box is durable.
    fn stored(&self, message: &NewMessage);
}

/// What happened to an accepted message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendStatus {
    /// The message is durable now. Members of its room get it live.
    Stored,
    /// The same sender had sent it before. Nothing else happens.
    Duplicate,
}

/// A handle on the path of messages; cheap to clone.
#[derive(Clone)]
pub struct Delivery {
    pub(super) db: DbHandle,
    pub(super) gate: PaymentGate,
    notify: Option<Arc<dyn Notify>>,
    /// Largest size of a message in a list, in bytes.
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
    /// Creates a path that stores messages in this database.
    pub fn new(db: DbHandle, paying: Arc<PaymentConfig>, notify: Option<Arc<dyn Notify>>) -> Self {
        Self {
            gate: PaymentGate::new(db.clone(), paying),
            db,
            notify,
            max_message_bytes: usize::MAX,
        }
    }

    /// The path for a client at this address: see [`DbHandle::from_address`].
    #[must_use]
    pub fn from_address(&self, address: Option<AddressKey>) -> Self {
        self.with_db(&self.db.from_address(address))
    }

    /// Refuses messages that have more bytes than this in a list.
    #[must_use]
    pub fn with_max_message_bytes(mut self, max: usize) -> Self {
        self.max_message_bytes = max;
        self
    }

    /// The path over this handle, which may be bound to one request or one client.
    #[must_use]
    pub fn with_db(&self, db: &DbHandle) -> Self {
        Self {
            gate: self.gate.with_db(db.clone()),
            db: db.clone(),
            notify: self.notify.clone(),
            max_message_bytes: self.max_message_bytes,
        }
    }

    /// Checks that the operator serves this identity.
    ///
    /// # Errors
    /// [`NotServed`].
    pub fn serves(&self, identity: &IdentityKey) -> Result<(), NotServed> {
        self.db.identity_lists().check(identity)
    }

    /// Counts of payments since the start.
    pub fn payments(&self) -> &PaymentCounts {
        &self.gate.counts
    }

    /// Submits a message. `reply` is called once the message is durable or refused. Calls follow the order of commits, each
    /// before the live delivery of its message.
    ///
    /// The transaction that stores the message also checks permissions and fees. A message with a fee is refused.
    pub fn submit(
        &self,
        message: NewMessage,
        reply: impl FnOnce(Result<SendStatus, DeliveryError>) + Send + 'static,
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
        self.enqueue(submission, move |outcomes| {
            let sent = outcomes.map(|sent| sent.first().copied().unwrap_or(SendStatus::Duplicate));
            reply(sent);
        });
    }

    /// Submits messages of one sender to one box, all or none, and waits. Dropping the future cancels nothing.
    ///
    /// The steps: check; fees; payment; store and commit, and reply; then live delivery, which
    /// [`crate::db::MessagesStored`] starts.
    ///
    /// Returns what happened to each message.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub async fn send(
        &self,
        messages: Vec<NewMessage>,
        payment: Option<PaymentDraft>,
    ) -> Result<Vec<SendStatus>, DeliveryError> {
        let payment_bytes = payment.as_ref().map_or(0, PaymentDraft::encoded_len);
        self.check(&messages, payment_bytes)?;
        let has_payment = payment.is_some();
        let Some(draft) = payment.filter(PaymentDraft::is_offered) else {
            return self.store(messages, None, has_payment).await;
        };
        // Repeated messages are not paid again.
        match self.db.inspect(messages.clone()).await? {
            SubmitOutcome::Due(quote) => self.send_paid(messages, draft, quote).await,
            outcome => statuses(outcome),
        }
    }

    /// Checks messages that share one body and one payment of so many bytes.
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
    ) -> Result<Vec<SendStatus>, DeliveryError> {
        let (sender, receiver) = oneshot::channel();
        let submission = Submission {
            messages,
            paid,
            has_payment,
        };
        self.enqueue(submission, move |outcomes| {
            drop(sender.send(outcomes));
        });
        receiver
            .await
            .unwrap_or(Err(DeliveryError::Store(DbError::Closed)))
    }

    fn enqueue(
        &self,
        submission: Submission,
        reply: impl FnOnce(Result<Vec<SendStatus>, DeliveryError>) + Send + 'static,
    ) {
        let first = submission.messages.first();
        let notice = match (&self.notify, first) {
            (Some(notify), Some(first)) if notify.wants(&first.message_box) => {
                Some((Arc::clone(notify), submission.messages.clone()))
            }
            _ => None,
        };
        log::debug!(
            "{} messages are queued for storage",
            submission.messages.len()
        );
        self.db.submit(submission, move |outcome| {
            let outcomes = outcome.map_err(DeliveryError::from).and_then(statuses);
            if let (Ok(outcomes), Some((notify, messages))) = (&outcomes, notice) {
                for (message, sent) in messages.iter().zip(outcomes) {
                    if *sent == SendStatus::Stored {
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

fn statuses(outcome: SubmitOutcome) -> Result<Vec<SendStatus>, DeliveryError> {
    let status = |outcome: &StoreOutcome| match outcome {
        StoreOutcome::Stored => SendStatus::Stored,
        _ => SendStatus::Duplicate,
    };
    Err(match outcome {
        SubmitOutcome::Stored(outcomes) => return Ok(outcomes.iter().map(status).collect()),
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
    // The store keeps milliseconds: a message that expires within the current one would never be listed.
    let millisecond = |time: OffsetDateTime| time.unix_timestamp_nanos().div_euclid(1_000_000);
    let now = millisecond(OffsetDateTime::now_utc());
    if message.expires_at.is_some_and(|at| millisecond(at) <= now) {
        return Err(DeliveryError::Expired);
    }
    Ok(())
}
