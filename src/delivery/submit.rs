//! Taking messages in.

use std::fmt;
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::sync::{Semaphore, oneshot};

use crate::auth::{Identity, sha256};
use crate::db::{
    DbError, DbHandle, NewMessage, Paid, Payment, Quote, StoreOutcome, Submission, SubmitOutcome,
};
use crate::events::{is_message_box, is_message_id};
use crate::ids::IdentityKey;
use crate::payments::{
    BlockHeaders, Cashier, PaymentDraft, PaymentError, PaymentKeys, Settlement, Voluntary,
};

use super::error::DeliveryError;

/// Payments that are checked at a time; each keeps a thread busy for some milliseconds.
const MAX_CHECKS: usize = 32;

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

/// What payments need.
#[derive(Debug)]
pub struct Paying {
    /// Who the server is.
    pub identity: Arc<Identity>,
    /// Who takes what is paid to the server.
    pub cashier: Arc<dyn Cashier>,
    /// Who knows which blocks were mined, if anybody.
    pub headers: Option<BlockHeaders>,
}

/// Where messages are handed in; cheap to clone.
#[derive(Clone)]
pub struct Delivery {
    pub(super) db: DbHandle,
    pub(super) paying: Arc<Paying>,
    checks: Arc<Semaphore>,
    notify: Option<Arc<dyn Notify>>,
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
            db,
            paying,
            checks: Arc::new(Semaphore::new(MAX_CHECKS)),
            notify,
        }
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
        if let Err(error) = check(&message) {
            return reply(Err(error));
        }
        let submission = Submission {
            messages: vec![message],
            paid: None,
        };
        self.hand_in(submission, move |outcomes| {
            let sent = outcomes.map(|outcomes| match outcomes.first() {
                Some(StoreOutcome::Stored) => Sent::Stored,
                _ => Sent::Already,
            });
            reply(sent);
        });
    }

    /// Hands messages of one sender to one box in, all or none, and waits. Dropping the future takes nothing back
    /// that was handed in.
    ///
    /// The steps: check; fees; payment; store and commit, and reply; then live delivery, which
    /// [`crate::db::MessagesStored`] sets off.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub async fn send(
        &self,
        messages: Vec<NewMessage>,
        payment: Option<PaymentDraft>,
    ) -> Result<(), DeliveryError> {
        for message in &messages {
            check(message)?;
        }
        let Some(draft) = payment.filter(PaymentDraft::is_offered) else {
            return self.store(messages, None).await;
        };
        // What is paid for twice is only looked at; what costs nothing is given to its recipients.
        match self.db.inspect(messages.clone()).await? {
            SubmitOutcome::Due(quote) if quote.is_free() => {
                let messages = self.with_voluntary(messages, draft).await?;
                self.store(messages, None).await
            }
            SubmitOutcome::Due(quote) => self.send_paid(messages, draft, quote).await,
            outcome => refusal(outcome).map(drop),
        }
    }

    async fn with_voluntary(
        &self,
        mut messages: Vec<NewMessage>,
        draft: PaymentDraft,
    ) -> Result<Vec<NewMessage>, DeliveryError> {
        let recipients = recipients(&messages);
        let voluntary = self
            .checked(move |_| Voluntary::read(&draft, &recipients))
            .await?;
        for (message, share) in messages.iter_mut().zip(voluntary.shares) {
            message.payment = share;
        }
        Ok(messages)
    }

    async fn send_paid(
        &self,
        mut messages: Vec<NewMessage>,
        draft: PaymentDraft,
        quote: Quote,
    ) -> Result<(), DeliveryError> {
        let Some(payer) = messages.first().map(|message| message.sender) else {
            return Ok(());
        };
        let recipients = recipients(&messages);
        let server = self.paying.identity.identity_key();
        let settlement = self
            .checked(move |keys| Settlement::read(&draft, &quote, &recipients, server, keys))
            .await?;
        if let Some(headers) = &self.paying.headers {
            headers.check(&settlement.merkle_roots).await?;
        }
        for (message, share) in messages.iter_mut().zip(settlement.shares) {
            message.payment = share;
        }
        let payment = Payment {
            payer,
            purpose: purpose(&messages),
            outputs: settlement.outputs,
        };
        let state = match &settlement.server {
            Some(server) => {
                super::till::take(&self.db, &*self.paying.cashier, &payment, server).await?
            }
            None => crate::db::PaymentState::Claimed,
        };
        let paid = Paid {
            delivery: settlement.delivery,
            recipients: settlement.recipients,
            payment,
            state,
        };
        self.store(messages, Some(paid)).await
    }

    /// Runs a check of a payment on a thread that may be kept busy.
    pub(super) async fn checked<T: Send + 'static>(
        &self,
        check: impl FnOnce(&PaymentKeys<'_>) -> Result<T, PaymentError> + Send + 'static,
    ) -> Result<T, DeliveryError> {
        let permit = Arc::clone(&self.checks)
            .try_acquire_owned()
            .map_err(|_| DbError::Overloaded)?;
        let identity = Arc::clone(&self.paying.identity);
        let checked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let keys = PaymentKeys::new(&identity)
                .map_err(|error| PaymentError::Invalid(error.to_string()))?;
            check(&keys)
        });
        let broken = |_| PaymentError::Invalid("it could not be checked".to_owned());
        Ok(checked.await.map_err(broken)??)
    }

    async fn store(
        &self,
        messages: Vec<NewMessage>,
        paid: Option<Paid>,
    ) -> Result<(), DeliveryError> {
        let (sender, receiver) = oneshot::channel();
        self.hand_in(Submission { messages, paid }, move |outcomes| {
            drop(sender.send(outcomes.map(drop)));
        });
        receiver
            .await
            .unwrap_or(Err(DeliveryError::Store(DbError::Closed)))
    }

    fn hand_in(
        &self,
        submission: Submission,
        reply: impl FnOnce(Result<Vec<StoreOutcome>, DeliveryError>) + Send + 'static,
    ) {
        let first = submission.messages.first();
        let told = match (&self.notify, first) {
            (Some(notify), Some(first)) if notify.wants(&first.message_box) => {
                Some((Arc::clone(notify), submission.messages.clone()))
            }
            _ => None,
        };
        self.db.submit(submission, move |outcome| {
            let outcomes = outcome.map_err(DeliveryError::from).and_then(refusal);
            if let (Ok(outcomes), Some((notify, messages))) = (&outcomes, told) {
                for (message, outcome) in messages.iter().zip(outcomes) {
                    if *outcome == StoreOutcome::Stored {
                        notify.stored(message);
                    }
                }
            }
            reply(outcomes);
        });
    }
}

fn refusal(outcome: SubmitOutcome) -> Result<Vec<StoreOutcome>, DeliveryError> {
    Err(match outcome {
        SubmitOutcome::Stored(outcomes) => return Ok(outcomes),
        SubmitOutcome::Taken(_) => DeliveryError::MessageIdTaken,
        SubmitOutcome::Blocked(recipients) => DeliveryError::Blocked(recipients),
        SubmitOutcome::Due(quote) => DeliveryError::PaymentRequired(quote),
        SubmitOutcome::Spent(outpoint) => PaymentError::Reused(outpoint).into(),
    })
}

fn recipients(messages: &[NewMessage]) -> Vec<IdentityKey> {
    messages.iter().map(|message| message.recipient).collect()
}

/// What a payment for these messages is for: the same when they are sent again.
fn purpose(messages: &[NewMessage]) -> String {
    let mut text = String::new();
    for message in messages {
        // Ids and box names are of any form; JSON keeps them apart.
        let parts = (
            &message.message_box,
            message.recipient.to_hex(),
            &message.message_id,
        );
        text.push_str(&serde_json::to_string(&parts).unwrap_or_default());
    }
    hex::encode(sha256(text.as_bytes()))
}

fn check(message: &NewMessage) -> Result<(), DeliveryError> {
    if !is_message_id(&message.message_id) {
        return Err(DeliveryError::MessageId);
    }
    if !is_message_box(&message.message_box) {
        return Err(DeliveryError::MessageBox);
    }
    let now = OffsetDateTime::now_utc();
    if message.expires_at.is_some_and(|at| at <= now) {
        return Err(DeliveryError::Expired);
    }
    Ok(())
}
