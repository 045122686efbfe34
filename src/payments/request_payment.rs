//! `x-bsv-payment`: what pays for a request that has a price.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::db::{Outpoint, PaymentOutput};
use crate::ids::IdentityKey;

use super::beef::{Checked, CheckedTransaction};
use super::brc29::{Derivation, PaymentKeys};
use super::cashier::ServerPayment;
use super::error::PaymentError;

/// The header's value.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestPayment {
    /// The nonce that the server asked with.
    pub derivation_prefix: String,
    /// The client's own.
    pub derivation_suffix: String,
    /// `AtomicBEEF` in base64.
    transaction: String,
}

/// Without the transaction: payments stay out of the log.
impl std::fmt::Debug for RequestPayment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RequestPayment")
    }
}

impl RequestPayment {
    /// Reads the header's value; `None` when it is not what it should be.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        serde_json::from_str(header).ok()
    }

    /// Checks that output 0 pays the server what the request costs, with a key that it shares with `payer`. Slow: run
    /// it where it holds nobody up.
    ///
    /// # Errors
    /// [`PaymentError`].
    pub fn check(
        &self,
        price: u64,
        payer: IdentityKey,
        server: IdentityKey,
        keys: &PaymentKeys<'_>,
    ) -> Result<Checked<ServerPayment>, PaymentError> {
        let invalid = |reason: &str| PaymentError::Invalid(reason.to_owned());
        let bytes = STANDARD
            .decode(&self.transaction)
            .map_err(|_| invalid("the transaction is not base64"))?;
        let transaction = CheckedTransaction::read(&bytes)?;
        let output = transaction
            .outputs
            .first()
            .ok_or_else(|| invalid("it has no outputs"))?;
        let insufficient = |reason: String| PaymentError::Insufficient(reason);
        let derivation = Derivation {
            prefix: self.derivation_prefix.clone(),
            suffix: self.derivation_suffix.clone(),
            sender: payer,
        };
        if !derivation.is_for_wallets() {
            return Err(insufficient("the derivation is not base64".to_owned()));
        }
        let script = keys.script(&server, &derivation);
        if !matches!(script, Ok(Some(script)) if script == output.script) {
            return Err(insufficient("output 0 pays another key".to_owned()));
        }
        if output.satoshis < price {
            let reason = format!("output 0 pays {} of {price} satoshis", output.satoshis);
            return Err(insufficient(reason));
        }
        let output = PaymentOutput {
            outpoint: Outpoint {
                txid: transaction.txid,
                index: 0,
            },
            satoshis: output.satoshis,
            payee: server,
            sender_identity_key: payer,
            derivation_prefix: derivation.prefix,
            derivation_suffix: derivation.suffix,
            transaction: Some(self.transaction.clone()),
        };
        Ok(Checked {
            payment: ServerPayment {
                output,
                description: None,
            },
            spends: transaction.spends,
            merkle_roots: transaction.merkle_roots,
        })
    }
}
