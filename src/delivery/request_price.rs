//! Requests that have a price: what they cost, and taking what is paid for them.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::db::{Payment, PaymentState};
use crate::ids::IdentityKey;
use crate::payments::RequestPayment;

use super::error::DeliveryError;
use super::submit::Delivery;
use super::till::Till;

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

/// A request that was paid for and is being answered.
#[derive(Debug)]
pub struct PaidRequest {
    /// How many satoshis were paid.
    pub satoshis: u64,
    till: Till,
    payment: Payment,
    state: PaymentState,
}

impl PaidRequest {
    /// It was answered: its payment has paid for good.
    pub async fn settle(self) {
        self.till.settle(self.payment, self.state).await;
    }

    /// It failed: its payer may pay for another request with the same.
    pub async fn give_up(self) {
        self.till.give_up(self.payment, Some(self.state)).await;
    }
}

impl Delivery {
    /// Takes what pays for a request of `caller` that costs `price` satoshis.
    ///
    /// # Errors
    /// [`PriceError`]: then nothing was taken.
    pub async fn take_request_payment(
        &self,
        header: &str,
        price: u64,
        caller: IdentityKey,
    ) -> Result<PaidRequest, PriceError> {
        let paid = RequestPayment::parse(header).ok_or(PriceError::Malformed)?;
        let identity = self.till.identity();
        identity
            .verify_nonce(&paid.derivation_prefix)
            .map_err(|_| PriceError::DerivationPrefix)?;
        let server = identity.identity_key();
        let checked = self
            .till
            .check(caller, move |keys| paid.check(price, caller, server, keys))
            .await?;
        let server = checked.payment;
        let payment = Payment {
            payer: caller,
            // No other request has it: one payment does not pay for two that come at once.
            purpose: format!("request {:032x}", rand::random::<u128>()),
            outputs: vec![server.output.clone()],
            spends: checked.spends,
        };
        let state = self.till.take(&payment, &server).await?;
        Ok(PaidRequest {
            satoshis: server.output.satoshis,
            till: self.till.clone(),
            payment,
            state,
        })
    }
}
