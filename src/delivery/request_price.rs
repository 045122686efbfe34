//! Requests that have a price: what they cost, and taking what is paid for them.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::db::Payment;
use crate::ids::IdentityKey;
use crate::payments::{PaymentError, RequestPayment};

use super::error::DeliveryError;
use super::submit::Delivery;
use super::till;

/// What requests cost, in satoshis.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestPrices {
    /// By route.
    pub routes: BTreeMap<String, u64>,
    /// For all other routes.
    pub others: u64,
}

impl RequestPrices {
    /// What a request to this route costs.
    #[must_use]
    pub fn of(&self, route: &str) -> u64 {
        self.routes.get(route).copied().unwrap_or(self.others)
    }
}

/// Why what came with a request does not pay for it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PriceError {
    /// The header is not what it should be.
    #[error("The X-BSV-Payment header is not the JSON of a payment.")]
    Malformed,
    /// Its prefix is not a nonce of this server.
    #[error("The derivation prefix was not made by this server.")]
    DerivationPrefix,
    /// It does not pay, or was not taken.
    #[error(transparent)]
    Payment(#[from] DeliveryError),
}

impl Delivery {
    /// Takes what pays for a request of `caller` that costs `price` satoshis; says how many were paid.
    ///
    /// # Errors
    /// [`PriceError`]: then nothing was taken.
    pub async fn take_request_payment(
        &self,
        header: &str,
        price: u64,
        caller: IdentityKey,
    ) -> Result<u64, PriceError> {
        let paid = RequestPayment::parse(header).ok_or(PriceError::Malformed)?;
        let identity = &self.paying.identity;
        identity
            .verify_session_nonce(&paid.derivation_prefix)
            .map_err(|_| PriceError::DerivationPrefix)?;
        let purpose = format!(
            "request {} {}",
            paid.derivation_prefix, paid.derivation_suffix
        );
        let server = identity.identity_key();
        let checked = self
            .checked(move |keys| paid.check(price, caller, server, keys))
            .await?;
        if let Some(headers) = &self.paying.headers {
            let proven = headers.check(&checked.merkle_roots).await;
            proven.map_err(DeliveryError::from)?;
        }
        let satoshis = checked.output.satoshis;
        let payment = Payment {
            payer: caller,
            // Until it is settled it may be named again, by who had no answer from the wallet.
            purpose,
            outputs: vec![checked.output],
        };
        let state = till::take(&self.db, &*self.paying.cashier, &payment, &checked.server).await?;
        let claimed = self.db.claim_payment(payment, state, true).await;
        let claimed = claimed.map_err(DeliveryError::from)?;
        claimed.map_err(|spent| DeliveryError::from(PaymentError::Reused(spent)))?;
        Ok(satoshis)
    }
}
