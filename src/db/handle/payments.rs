//! Payments, through the handle.

use crate::ids::IdentityKey;

use super::super::error::DbError;
use super::super::payment::{KeptPayment, Outpoint, Payment, PaymentState};
use super::super::payment_store::{self, ClaimPayment, ReleasePayment};
use super::DbHandle;

impl DbHandle {
    /// Takes the outputs of a payment: each pays once. `settled`: what they pay for is done.
    ///
    /// # Errors
    /// [`DbError`]; inside, the output that has paid for something else.
    pub async fn claim_payment(
        &self,
        payment: Payment,
        state: PaymentState,
        settled: bool,
    ) -> Result<Result<(), Outpoint>, DbError> {
        let command = ClaimPayment {
            payment,
            state,
            settled,
        };
        self.run(command).await
    }

    /// Lets go of outputs that were taken for something that came to nothing.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn release_payment(
        &self,
        purpose: String,
        payer: IdentityKey,
    ) -> Result<usize, DbError> {
        self.run(ReleasePayment { purpose, payer }).await
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
        self.read(move |connection| payment_store::list(connection, &payee, after, limit))
            .await
    }
}
