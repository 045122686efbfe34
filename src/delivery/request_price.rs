//! Requests that have a price, and their payments.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::ids::IdentityKey;
use crate::model::{Payment, PaymentState};
use crate::payments::{MultipartError, RequestPayment};

use super::error::DeliveryError;
use super::in_flight::InFlight;
use super::payment_gate::PaymentGate;
use super::submit::Delivery;

/// The prices of requests in satoshis.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestPrices {
    /// The prices of single routes.
    pub routes: BTreeMap<String, u64>,
    /// The price of all other routes.
    pub others: u64,
}

impl RequestPrices {
    /// The price of a request to this route.
    pub fn of(&self, route: &str) -> u64 {
        self.routes.get(route).copied().unwrap_or(self.others)
    }
}

/// Why the payment of a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PriceError {
    /// The header or part is not the JSON of a payment.
    #[error(
        "The payment is not JSON of derivationPrefix, derivationSuffix and transaction, or not base64."
    )]
    Malformed,
    /// The request has more than one payment.
    #[error(
        "A request takes one payment: one X-BSV-Payment header, or one part of a multipart body."
    )]
    Several,
    /// The multipart body cannot be parsed.
    #[error("The multipart body cannot be read: {0}.")]
    Multipart(#[from] MultipartError),
    /// Another request is using the payment now.
    #[error("Another request is using this payment.")]
    InUse,
    /// The derivation prefix is not a nonce of this server.
    #[error("The derivation prefix was not made by this server.")]
    DerivationPrefix,
    /// The payment is too low or invalid, or was not accepted.
    #[error(transparent)]
    Payment(#[from] DeliveryError),
}

/// A paid request that is being answered.
#[derive(Debug)]
pub struct PaidRequest {
    /// The paid amount in satoshis.
    pub satoshis: u64,
    gate: PaymentGate,
    payment: Payment,
    state: PaymentState,
    /// Keeps other requests of this process from using the payment.
    _in_flight: InFlight,
}

impl PaidRequest {
    /// Settles the payment of an answered request.
    pub async fn settle(self) {
        self.gate.settle(self.payment, self.state).await;
    }

    /// Releases the payment of a failed request: its payer may use it again.
    pub async fn release(self) {
        self.gate.release(self.payment, Some(self.state)).await;
    }
}

impl Delivery {
    /// Accepts the payment in `json` for a request of `caller` that costs `price` satoshis. `request` is a hash of the
    /// request. The same request may bring its payment again until it is answered.
    ///
    /// # Errors
    /// [`PriceError`]: then the payment is not claimed.
    pub async fn take_request_payment(
        &self,
        json: &[u8],
        price: u64,
        caller: IdentityKey,
        request: &[u8; 32],
    ) -> Result<PaidRequest, PriceError> {
        let paid = RequestPayment::parse(json).ok_or(PriceError::Malformed)?;
        let identity = self.gate.identity();
        identity
            .verify_nonce(&paid.derivation_prefix)
            .map_err(|_| PriceError::DerivationPrefix)?;
        let server = identity.identity_key();
        let checked = self
            .gate
            .check(caller, move |keys, checks| {
                paid.check(price, caller, server, keys, checks)
            })
            .await?;
        let server = checked.payment;
        let in_flight = self.gate.in_flight.enter(&server.output.outpoint);
        let in_flight = in_flight.ok_or(PriceError::InUse)?;
        let payment = Payment {
            payer: caller,
            // A crash leaves the claim behind. The same request, repeated, resumes it.
            purpose: format!("request {}", hex::encode(request)),
            outputs: vec![server.output.clone()],
            spends: checked.spends,
        };
        let state = self.gate.accept(&payment, &server).await?;
        Ok(PaidRequest {
            satoshis: server.output.satoshis,
            gate: self.gate.clone(),
            payment,
            state,
            _in_flight: in_flight,
        })
    }
}
