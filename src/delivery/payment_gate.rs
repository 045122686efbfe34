//! Accepts payments: checks them, claims their outputs, and passes the server's part to its wallet. A payment that bought
//! nothing is released to its payer.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Identity;
use crate::db::{DbError, DbHandle};
use crate::ids::IdentityKey;
use crate::metrics::Counter;
use crate::model::{ClaimOutcome, Payment, PaymentState};
use crate::payments::{
    BlockHeaders, CheckError, Checked, Checks, PaymentError, PaymentKeys, PaymentReceiver,
    ReceiveError, SLICE, ServerPayment, VerdictCache,
};

use super::check_permits::{CheckPermit, CheckQueue};
use super::error::DeliveryError;
use super::in_flight::InFlightPayments;

/// What the checking and accepting of payments needs.
#[derive(Debug)]
pub struct PaymentConfig {
    /// The identity of the server.
    pub identity: Arc<Identity>,
    /// Accepts the payments to the server.
    pub cashier: Arc<dyn PaymentReceiver>,
    /// Knows the mined blocks, if configured.
    pub headers: Option<BlockHeaders>,
}

/// Payments since the start.
#[derive(Debug, Default, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentCounts {
    /// Payments that passed their check.
    pub checked: Counter,
    /// Payments that failed their check.
    pub refused: Counter,
    /// Payments that passed and bought nothing. They count as checked too.
    pub given_up: Counter,
}

/// A handle on the acceptance of payments; cheap to clone.
#[derive(Clone)]
pub(super) struct PaymentGate {
    db: DbHandle,
    config: Arc<PaymentConfig>,
    checks: CheckQueue,
    verdicts: Arc<VerdictCache>,
    /// Payments in use by requests.
    pub(super) in_flight: InFlightPayments,
    pub(super) counts: Arc<PaymentCounts>,
}

impl fmt::Debug for PaymentGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PaymentGate")
    }
}

impl PaymentGate {
    pub(super) fn new(db: DbHandle, config: Arc<PaymentConfig>) -> Self {
        Self {
            db,
            config,
            checks: CheckQueue::new(),
            verdicts: Arc::default(),
            in_flight: InFlightPayments::default(),
            counts: Arc::default(),
        }
    }

    pub(super) fn with_db(&self, db: DbHandle) -> Self {
        Self { db, ..self.clone() }
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.config.identity
    }

    /// Whether another service must accept the payments to the server.
    pub(super) fn asks(&self) -> bool {
        self.config.cashier.is_external()
    }

    /// Checks a payment on a blocking thread, and its proofs against the block headers, if configured. Every check
    /// waits for its payer's turn and a core. A check that proves costly starts again, once it has one of few further permits.
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
        let permit = self.checks.enter(payer, self.db.address()).await;
        let permit = permit.ok_or(DbError::Overloaded)?;
        let checked = async {
            let checked = self.run_check(permit, Arc::new(check)).await?;
            if let Some(headers) = &self.config.headers {
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

    async fn run_check<T: Send + 'static, F>(
        &self,
        mut permit: CheckPermit,
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
                Arc::clone(&self.config.identity),
                Arc::clone(&self.verdicts),
            );
            let check = Arc::clone(&check);
            let checked = tokio::task::spawn_blocking(move || {
                let keys = PaymentKeys::new(&identity)
                    .map_err(|error| PaymentError::Invalid(error.to_string()));
                let checks = Checks {
                    cache: &verdicts,
                    max_cost: if permit.is_costly() { u64::MAX } else { SLICE },
                    pause: &|| permit.pause(),
                };
                let checked = keys
                    .map_err(CheckError::from)
                    .and_then(|keys| check(&keys, &checks));
                (permit, checked)
            });
            let broken = |_| PaymentError::Invalid("it could not be checked".to_owned());
            let checked = checked.await.map_err(broken)?;
            match checked {
                (_, Ok(checked)) => return Ok(checked),
                (_, Err(CheckError::Refused(error))) => return Err(error.into()),
                (cheap, Err(CheckError::Costly)) => {
                    permit = cheap.for_costly().await.ok_or(DbError::Overloaded)?;
                }
            }
        }
    }

    /// Claims the outputs of a payment, so that they buy only one thing even if several requests name them at once. Then
    /// hands the server's own part to its wallet.
    ///
    /// # Errors
    /// [`PaymentError::Reused`] if the outputs are claimed already. After an error of the wallet, the payer may use them
    /// again.
    pub(super) async fn accept(
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
            // The payment was accepted before, and bought nothing.
            ClaimOutcome::Claimed { internalized: true } => return Ok(PaymentState::Internalized),
            ClaimOutcome::Claimed {
                internalized: false,
            } => {}
        }
        match self.config.cashier.receive(server).await {
            Ok(state) => Ok(state),
            Err(error) => {
                // A service that did not answer may have accepted the payment: then it stays claimed for its payer.
                let state = match error {
                    ReceiveError::Refused => None,
                    ReceiveError::Failed(_) => Some(claimed),
                };
                self.release(payment.clone(), state).await;
                Err(error.into())
            }
        }
    }

    /// Settles a payment: what it bought is delivered.
    pub(super) async fn settle(&self, payment: Payment, state: PaymentState) {
        match self.db.claim_payment(payment, state, true).await {
            Ok(ClaimOutcome::Claimed { .. }) => {}
            Ok(ClaimOutcome::Spent(part)) => {
                log::error!("a payment in use was claimed by another request: {part}");
            }
            Err(error) => log::error!("a used payment was not settled: {error}"),
        }
    }

    /// Releases a payment that bought nothing.
    pub(super) async fn release(&self, payment: Payment, state: Option<PaymentState>) {
        self.counts.given_up.add_one();
        if let Err(error) = self.db.release_payment(payment, state).await {
            log::error!("a payment that bought nothing was not released: {error}");
        }
    }
}
