//! Payments.

use crate::db::engine::error::DbError;
use crate::db::store::payments::payment_store::{self, ClaimPayment, ReleasePayment};
use crate::ids::IdentityKey;
use crate::model::{ClaimOutcome, KeptPayment, Payment, PaymentState};

use super::DbHandle;

impl DbHandle {
    /// Claims the outputs of a payment: each output pays once. `settled` means that the paid action is done.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn claim_payment(
        &self,
        payment: Payment,
        state: PaymentState,
        settled: bool,
    ) -> Result<ClaimOutcome, DbError> {
        let command = ClaimPayment {
            payment,
            state,
            settled,
        };
        self.run(command).await
    }

    /// Releases a payment whose action failed: only its payer may use it again. Without a `state` no party holds the
    /// outputs, so the claim is deleted.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn release_payment(
        &self,
        payment: Payment,
        state: Option<PaymentState>,
    ) -> Result<(), DbError> {
        self.run(ReleasePayment { payment, state }).await
    }

    /// Payments to `payee` with ids above `after`, oldest first.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn payments(
        &self,
        payee: IdentityKey,
        after: i64,
        limit: i64,
    ) -> Result<Vec<KeptPayment>, DbError> {
        self.read(None, move |connection| {
            payment_store::list(connection, &payee, after, limit)
        })
        .await
    }
}
