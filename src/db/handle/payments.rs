//! Payments, through the handle.

use crate::db::engine::error::DbError;
use crate::db::store::payment_store::{self, ClaimPayment, GiveUpPayment};
use crate::ids::IdentityKey;
use crate::model::{ClaimOutcome, KeptPayment, Payment, PaymentState};

use super::DbHandle;

impl DbHandle {
    /// Takes the outputs of a payment: each pays once. `settled`: what they pay for is done.
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

    /// What a payment was claimed for came to nothing: its payer may use it again, and nobody else. Without a `state`
    /// nobody has it, and it is as if it had never come.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn give_up_payment(
        &self,
        payment: Payment,
        state: Option<PaymentState>,
    ) -> Result<(), DbError> {
        self.run(GiveUpPayment { payment, state }).await
    }

    /// Payments to `payee` behind the one with this id, oldest first.
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
