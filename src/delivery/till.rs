//! Taking what is paid to the server: claim the outputs, ask the cashier, and let go again if it refuses.

use crate::db::{DbHandle, Payment, PaymentState};
use crate::payments::{Cashier, PaymentError, ServerPayment};

use super::error::DeliveryError;

/// Lets the cashier take a verified payment. Where somebody else is asked, the outputs are claimed before, so that they
/// pay for one thing only, however many requests name them at once.
///
/// # Errors
/// [`DeliveryError`]: then the outputs are free again.
pub(super) async fn take(
    db: &DbHandle,
    cashier: &dyn Cashier,
    payment: &Payment,
    server: &ServerPayment,
) -> Result<PaymentState, DeliveryError> {
    if !cashier.asks() {
        return Ok(cashier.take(server).await?);
    }
    let claimed = db
        .claim_payment(payment.clone(), PaymentState::Claimed, false)
        .await?;
    claimed.map_err(PaymentError::Reused)?;
    match cashier.take(server).await {
        Ok(state) => Ok(state),
        Err(error) => {
            let (purpose, payer) = (payment.purpose.clone(), payment.payer);
            if let Err(error) = db.release_payment(purpose, payer).await {
                log::error!("a refused payment stays claimed: {error}");
            }
            Err(error.into())
        }
    }
}
