//! Taking what is paid: checked, claimed, handed to the cashier, and given back to its payer where that came to nothing.

use std::fmt;
use std::sync::Arc;

use crate::auth::Identity;
use crate::db::{DbError, DbHandle};
use crate::ids::IdentityKey;
use crate::metrics::Counter;
use crate::model::{ClaimOutcome, Payment, PaymentState};
use crate::payments::{
    BlockHeaders, CheckError, Checked, Checks, PaymentError, PaymentKeys, PaymentReceiver,
    ReceiveError, SLICE, ServerPayment, VerdictCache,
};

use super::check_places::{CheckPlace, CheckPlaces};
use super::error::DeliveryError;
use super::in_flight::InFlightPayments;

/// What payments need.
#[derive(Debug)]
pub struct Paying {
    /// Who the server is.
    pub identity: Arc<Identity>,
    /// Who takes what is paid to the server.
    pub cashier: Arc<dyn PaymentReceiver>,
    /// Who knows which blocks were mined, if anybody.
    pub headers: Option<BlockHeaders>,
}

/// Payments since the start.
#[derive(Debug, Default)]
pub struct PaymentCounts {
    /// Checked and found to pay what is due.
    pub checked: Counter,
    /// Found not to.
    pub refused: Counter,
    /// What was paid for came to nothing.
    pub given_up: Counter,
}

/// Where payments are taken; cheap to clone.
#[derive(Clone)]
pub(super) struct Till {
    db: DbHandle,
    paying: Arc<Paying>,
    places: CheckPlaces,
    verdicts: Arc<VerdictCache>,
    /// Payments of requests that are in work.
    pub(super) in_flight: InFlightPayments,
    pub(super) counts: Arc<PaymentCounts>,
}

impl fmt::Debug for Till {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Till")
    }
}

impl Till {
    pub(super) fn new(db: DbHandle, paying: Arc<Paying>) -> Self {
        Self {
            db,
            paying,
            places: CheckPlaces::new(),
            verdicts: Arc::default(),
            in_flight: InFlightPayments::default(),
            counts: Arc::default(),
        }
    }

    pub(super) fn with_db(&self, db: DbHandle) -> Self {
        Self { db, ..self.clone() }
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.paying.identity
    }

    /// Whether somebody else is asked to take what is paid to the server.
    pub(super) fn asks(&self) -> bool {
        self.paying.cashier.is_external()
    }

    /// Checks a payment, on a thread that may be kept busy, and its proofs against the chain where that is known. One that
    /// costs little is checked at once; others then wait for one of the few places that there are for them.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub(super) async fn check<T: Send + 'static>(
        &self,
        payer: IdentityKey,
        check: impl Fn(&PaymentKeys<'_>, &Checks<'_>) -> Result<Checked<T>, CheckError>
        + Send
        + Sync
        + 'static,
    ) -> Result<Checked<T>, DeliveryError> {
        let place = self.places.enter(payer, self.db.address()).await;
        let place = place.ok_or(DbError::Overloaded)?;
        let checked = async {
            let checked = self.check_in(place, Arc::new(check)).await?;
            if let Some(headers) = &self.paying.headers {
                headers.check(&checked.merkle_roots).await?;
            }
            Ok(checked)
        };
        let checked: Result<Checked<T>, DeliveryError> = checked.await;
        match &checked {
            Ok(_) => self.counts.checked.add_one(),
            Err(_) => self.counts.refused.add_one(),
        }
        checked
    }

    async fn check_in<T: Send + 'static, F>(
        &self,
        mut place: CheckPlace,
        check: Arc<F>,
    ) -> Result<Checked<T>, DeliveryError>
    where
        F: Fn(&PaymentKeys<'_>, &Checks<'_>) -> Result<Checked<T>, CheckError>
            + Send
            + Sync
            + 'static,
    {
        loop {
            let (identity, verdicts) = (
                Arc::clone(&self.paying.identity),
                Arc::clone(&self.verdicts),
            );
            let check = Arc::clone(&check);
            let checked = tokio::task::spawn_blocking(move || {
                let keys = PaymentKeys::new(&identity)
                    .map_err(|error| PaymentError::Invalid(error.to_string()));
                let checks = Checks {
                    cache: &verdicts,
                    max_cost: if place.is_costly() { u64::MAX } else { SLICE },
                    pause: &|| place.pause(),
                };
                let checked = keys
                    .map_err(CheckError::from)
                    .and_then(|keys| check(&keys, &checks));
                (place, checked)
            });
            let broken = |_| PaymentError::Invalid("it could not be checked".to_owned());
            let checked = checked.await.map_err(broken)?;
            match checked {
                (_, Ok(checked)) => return Ok(checked),
                (_, Err(CheckError::Refused(error))) => return Err(error.into()),
                (known, Err(CheckError::Costly)) => {
                    place = known.for_costly().await.ok_or(DbError::Overloaded)?;
                }
            }
        }
    }

    /// Claims a payment's outputs, so that they pay for one thing only however many requests name them at once, and
    /// lets the cashier take what is paid to the server.
    ///
    /// # Errors
    /// [`DeliveryError`]: then its payer may use them again.
    pub(super) async fn take(
        &self,
        payment: &Payment,
        server: &ServerPayment,
    ) -> Result<PaymentState, DeliveryError> {
        let claimed = PaymentState::Claimed;
        match self
            .db
            .claim_payment(payment.clone(), claimed, false)
            .await?
        {
            ClaimOutcome::Spent(part) => return Err(PaymentError::Reused(part).into()),
            // It came to nothing when it was paid the first time.
            ClaimOutcome::Claimed { internalized: true } => return Ok(PaymentState::Internalized),
            ClaimOutcome::Claimed {
                internalized: false,
            } => {}
        }
        match self.paying.cashier.receive(server).await {
            Ok(state) => Ok(state),
            Err(error) => {
                // Who did not answer may have taken it all the same: then it stays its payer's.
                let state = match error {
                    ReceiveError::Refused => None,
                    ReceiveError::Failed(_) => Some(claimed),
                };
                self.give_up(payment.clone(), state).await;
                Err(error.into())
            }
        }
    }

    /// What was paid for is done.
    pub(super) async fn settle(&self, payment: Payment, state: PaymentState) {
        match self.db.claim_payment(payment, state, true).await {
            Ok(ClaimOutcome::Claimed { .. }) => {}
            Ok(ClaimOutcome::Spent(part)) => {
                log::error!("a payment was taken from under a request: {part}");
            }
            Err(error) => log::error!("a payment that was used stays unsettled: {error}"),
        }
    }

    /// What was paid for came to nothing.
    pub(super) async fn give_up(&self, payment: Payment, state: Option<PaymentState>) {
        self.counts.given_up.add_one();
        if let Err(error) = self.db.release_payment(payment, state).await {
            log::error!("a payment that came to nothing stays claimed: {error}");
        }
    }
}
