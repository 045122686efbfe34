//! `x-bsv-payment`: the payment for a priced request, from the header or from a multipart body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::ids::IdentityKey;
use crate::model::{Outpoint, PaymentOutput};

use super::beef::check::{CheckError, Checks};
use super::beef::{Checked, ReadTransaction};
use super::brc29::{Derivation, PaymentKeys};
use super::error::PaymentError;
use super::receiver::ServerPayment;

/// The payment of a request.
#[derive(Clone)]
pub struct RequestPayment {
    /// The nonce of the server's price offer.
    pub derivation_prefix: String,
    /// The client's own nonce.
    pub derivation_suffix: String,
    /// The `AtomicBEEF` in base64.
    transaction: String,
    beef: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    derivation_prefix: String,
    derivation_suffix: String,
    transaction: String,
}

/// Omits the transaction: payments must not reach the log.
impl std::fmt::Debug for RequestPayment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RequestPayment")
    }
}

impl RequestPayment {
    /// Parses the JSON of a payment. Returns `None` if a field is missing, or the suffix or the transaction is not
    /// base64.
    #[must_use]
    pub fn parse(json: &[u8]) -> Option<Self> {
        let fields: Fields = serde_json::from_slice(json).ok()?;
        STANDARD.decode(&fields.derivation_suffix).ok()?;
        Some(Self {
            beef: STANDARD.decode(&fields.transaction).ok()?,
            derivation_prefix: fields.derivation_prefix,
            derivation_suffix: fields.derivation_suffix,
            transaction: fields.transaction,
        })
    }

    /// Checks that output 0 pays the price to the server, with a key that it shares with `payer`. Slow: do not call it
    /// on a worker thread.
    ///
    /// # Errors
    /// [`CheckError`].
    pub fn check(
        &self,
        price: u64,
        payer: IdentityKey,
        server: IdentityKey,
        keys: &PaymentKeys<'_>,
        checks: &Checks<'_>,
    ) -> Result<Checked<ServerPayment>, CheckError> {
        let invalid = |reason: &str| PaymentError::Invalid(reason.to_owned());
        let read = ReadTransaction::read(&self.beef, checks)?;
        let output = read
            .transaction
            .outputs
            .first()
            .ok_or_else(|| invalid("it has no outputs"))?;
        let insufficient = |reason: String| CheckError::from(PaymentError::Insufficient(reason));
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
        let satoshis = output.satoshis;
        let transaction = read.run_scripts(checks)?;
        let output = PaymentOutput {
            outpoint: Outpoint {
                txid: transaction.txid,
                index: 0,
            },
            satoshis,
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
