//! Requests that have a price: what they cost, and taking what is paid for them.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::ids::IdentityKey;
use crate::model::{Payment, PaymentState};
use crate::payments::{MultipartError, RequestPayment};

use super::error::DeliveryError;
use super::in_flight::InFlight;
use super::payment_gate::PaymentGate;
use super::submit::Delivery;

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
    /// It is not the JSON of a payment.
    #[error(
        "The payment is not JSON of derivationPrefix, derivationSuffix and transaction, or not base64."
    )]
    Malformed,
    /// More than one came.
    #[error(
        "A request takes one payment: one X-BSV-Payment header, or one part of a multipart body."
    )]
    Several,
    /// The multipart body that may hold one cannot be read.
    #[error("The multipart body cannot be read: {0}.")]
    Multipart(#[from] MultipartError),
    /// Another request is using it at this moment.
    #[error("Another request is using this payment.")]
    InUse,
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
    payments: PaymentGate,
    payment: Payment,
    state: PaymentState,
    /// Until this request ends, no other one of this process uses the payment.
    _in_flight: InFlight,
}

impl PaidRequest {
    /// It was answered: its payment has paid for good.
    pub async fn settle(self) {
        self.payments.settle(self.payment, self.state).await;
    }

    /// It failed: its payer may pay for another request with the same.
    pub async fn give_up(self) {
        self.payments.give_up(self.payment, Some(self.state)).await;
    }
}

impl Delivery {
    /// Takes what pays for a request of `caller` that costs `price` satoshis. `json` is the payment. `request` is a hash of
    /// what the request asks for. The same request may bring its payment again until it was answered.
    ///
    /// # Errors
    /// [`PriceError`]: then nothing was taken.
    pub async fn take_request_payment(
        &self,
        json: &[u8],
        price: u64,
        caller: IdentityKey,
        request: &[u8; 32],
    ) -> Result<PaidRequest, PriceError> {
        let paid = RequestPayment::parse(json).ok_or(PriceError::Malformed)?;
        let identity = self.payments.identity();
        identity
            .verify_nonce(&paid.derivation_prefix)
            .map_err(|_| PriceError::DerivationPrefix)?;
        let server = identity.identity_key();
        let checked = self
            .payments
            .check(caller, move |keys, checks| {
                paid.check(price, caller, server, keys, checks)
            })
            .await?;
        let server = checked.payment;
        let in_flight = self.payments.in_flight.enter(&server.output.outpoint);
        let in_flight = in_flight.ok_or(PriceError::InUse)?;
        let payment = Payment {
            payer: caller,
            // A server that ended in the middle leaves a claim behind: the same request, repeated, takes it up again.
            purpose: format!("request {}", hex::encode(request)),
            outputs: vec![server.output.clone()],
            spends: checked.spends,
        };
        let state = self.payments.take(&payment, &server).await?;
        Ok(PaidRequest {
            satoshis: server.output.satoshis,
            payments: self.payments.clone(),
            payment,
            state,
            _in_flight: in_flight,
        })
    }
}
