//! Checks that a payment pays the price.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytestring::ByteString;

use crate::ids::IdentityKey;
use crate::model::{FeeQuote, Outpoint, PaymentOutput};

use super::allocation::{Allocation, allocate};
use super::beef::check::{CheckError, Checks};
use super::beef::{Checked, CheckedOutput, CheckedTransaction, ReadTransaction};
use super::brc29::{Derivation, PaymentKeys};
use super::draft::{DraftOutput, PaymentDraft};
use super::error::PaymentError;
use super::receiver::ServerPayment;

/// A payment that pays the price, which may be zero.
#[derive(Debug, Clone)]
pub struct VerifiedPayment {
    /// Satoshis to the server.
    pub delivery: u64,
    /// Satoshis to each recipient that asks for a fee.
    pub recipients: Vec<u64>,
    /// The assigned outputs. Each must be claimed once.
    pub outputs: Vec<PaymentOutput>,
    /// JSON of the payment for each recipient that gets a part of it.
    pub shares: Vec<Option<ByteString>>,
    /// The part that pays the server.
    pub server: Option<ServerPayment>,
}

/// The parties of a payment.
#[derive(Debug, Clone)]
pub struct Parties {
    pub payer: IdentityKey,
    pub server: IdentityKey,
    pub recipients: Vec<IdentityKey>,
}

impl VerifiedPayment {
    /// Checks that a payment pays the price. If nothing is due, the payment may pay any party, but must be valid. Slow:
    /// do not call it on a worker thread.
    ///
    /// Only outputs whose script pays their payee are returned for claiming. Other outputs may belong to a transaction
    /// of another payer, which still has to pay with it.
    ///
    /// # Errors
    /// [`CheckError`].
    pub fn verify(
        draft: &PaymentDraft,
        quote: &FeeQuote,
        parties: &Parties,
        keys: &PaymentKeys<'_>,
        checks: &Checks<'_>,
    ) -> Result<Checked<Self>, CheckError> {
        let (Some(bytes), Some(outputs)) = (&draft.transaction, &draft.outputs) else {
            let error = if quote.is_free() {
                PaymentError::invalid("it has no tx or no outputs, or too many")
            } else {
                PaymentError::MissingTransaction
            };
            return Err(error.into());
        };
        let recipients = &parties.recipients;
        let allocation = allocate(outputs, quote, recipients)?;
        let read = ReadTransaction::read(bytes, checks)?;
        check_named(outputs, &read.transaction, &allocation)?;
        let checker = OutputChecker {
            outputs,
            transaction: &read.transaction,
            keys,
        };
        let mut settlement = Self {
            delivery: 0,
            recipients: Vec::with_capacity(recipients.len()),
            outputs: Vec::new(),
            shares: shares(draft, &allocation),
            server: None,
        };
        if let Some(position) = allocation.server {
            let mut output = checker.pays_server(position, parties.server)?;
            enough(output.satoshis, quote.delivery_due(), "the server")?;
            output.transaction = Some(STANDARD.encode(bytes));
            settlement.delivery = output.satoshis;
            settlement.server = Some(ServerPayment {
                output: output.clone(),
                description: draft.description(),
            });
            settlement.outputs.push(output);
        }
        for (index, recipient) in recipients.iter().enumerate() {
            let fee = quote.recipient_fees.get(index).copied().unwrap_or(0);
            let fee = u64::try_from(fee).unwrap_or(0);
            let mut paid = 0_u64;
            for position in allocation.recipients.get(index).into_iter().flatten() {
                let output = if fee > 0 {
                    Some(checker.pays(*position, *recipient)?)
                } else {
                    checker.goes_to(*position, *recipient)?
                };
                paid = paid.saturating_add(output.as_ref().map_or(0, |output| output.satoshis));
                settlement.outputs.extend(output);
            }
            enough(paid, fee, &recipient.to_hex())?;
            settlement.recipients.push(if fee > 0 { paid } else { 0 });
        }
        let transaction = read.run_scripts(checks)?;
        // Coins are recorded as spent only together with a claimed output.
        let spends = if settlement.outputs.is_empty() {
            Vec::new()
        } else {
            transaction.spends
        };
        Ok(Checked {
            payment: settlement,
            spends,
            merkle_roots: transaction.merkle_roots,
        })
    }
}

fn enough(paid: u64, due: u64, payee: &str) -> Result<(), PaymentError> {
    if paid >= due {
        return Ok(());
    }
    Err(PaymentError::Insufficient(format!(
        "{payee} gets {paid} of {due} satoshis"
    )))
}

/// Checks that each assigned output exists and is named once.
fn check_named(
    outputs: &[DraftOutput],
    transaction: &CheckedTransaction,
    allocation: &Allocation,
) -> Result<(), PaymentError> {
    let mut seen = HashSet::new();
    let handed_out = allocation.recipients.iter().flatten().copied();
    for position in allocation.server.into_iter().chain(handed_out) {
        let index = outputs.get(position).and_then(|output| output.index);
        if output_at(transaction, index).is_none() {
            return Err(PaymentError::invalid(
                "it names an output that the transaction does not have",
            ));
        }
        if !seen.insert(index) {
            return Err(PaymentError::invalid("it names an output twice"));
        }
    }
    Ok(())
}

fn output_at(transaction: &CheckedTransaction, index: Option<u32>) -> Option<&CheckedOutput> {
    transaction.outputs.get(usize::try_from(index?).ok()?)
}

fn shares(draft: &PaymentDraft, allocation: &Allocation) -> Vec<Option<ByteString>> {
    allocation
        .recipients
        .iter()
        .map(|own| (!own.is_empty()).then(|| draft.share(own)))
        .collect()
}

struct OutputChecker<'a> {
    outputs: &'a [DraftOutput],
    transaction: &'a CheckedTransaction,
    keys: &'a PaymentKeys<'a>,
}

impl OutputChecker<'_> {
    /// The output at this position of the sender's list.
    fn named(&self, position: usize) -> Result<NamedOutput<'_>, PaymentError> {
        let draft = self.outputs.get(position);
        let index = draft.and_then(|output| output.index);
        let output = output_at(self.transaction, index);
        match (draft, index, output) {
            (Some(draft), Some(index), Some(output)) => Ok(NamedOutput {
                draft,
                index,
                output,
            }),
            _ => Err(PaymentError::invalid("it lacks an output")),
        }
    }

    /// Checks that the output at this position pays the server, with a key that a wallet can derive.
    fn pays_server(
        &self,
        position: usize,
        server: IdentityKey,
    ) -> Result<PaymentOutput, PaymentError> {
        let named = self.named(position)?;
        if !named.derivation()?.is_for_wallets() {
            return Err(named.insufficient("has a derivation that is not base64"));
        }
        self.pays(position, server)
    }

    /// Checks that the output at this position pays `payee`.
    fn pays(&self, position: usize, payee: IdentityKey) -> Result<PaymentOutput, PaymentError> {
        let named = self.named(position)?;
        let derivation = named.derivation()?;
        let script = self
            .keys
            .script(&payee, derivation)
            .map_err(|_| named.insufficient("has a derivation from which no key follows"))?
            .ok_or_else(|| {
                named.insufficient(
                    "pays a key that only sender and recipient know; derive it with `anyone`",
                )
            })?;
        if named.output.script != script {
            return Err(named.insufficient("pays another key"));
        }
        self.output(&named, payee, derivation.clone())
    }

    /// An output beyond the price, if it provably pays the recipient. Otherwise only the recipient can tell, so it is
    /// not claimed.
    fn goes_to(
        &self,
        position: usize,
        recipient: IdentityKey,
    ) -> Result<Option<PaymentOutput>, PaymentError> {
        let named = self.named(position)?;
        let Some(derivation) = &named.draft.derivation else {
            return Ok(None);
        };
        let output = self.output(&named, recipient, derivation.clone())?;
        let script = self.keys.script(&recipient, derivation);
        let is_theirs = matches!(script, Ok(Some(script)) if script == named.output.script);
        Ok(is_theirs.then_some(output))
    }

    /// The stored form of an output. PostgreSQL rejects texts with U+0000, so such derivations are refused.
    fn output(
        &self,
        named: &NamedOutput<'_>,
        payee: IdentityKey,
        derivation: Derivation,
    ) -> Result<PaymentOutput, PaymentError> {
        let parts = [&derivation.prefix, &derivation.suffix];
        if parts.iter().any(|part| part.contains('\0')) {
            let reason = format!("output {} has U+0000 in its derivation", named.index);
            return Err(PaymentError::invalid(reason));
        }
        Ok(PaymentOutput {
            outpoint: Outpoint {
                txid: self.transaction.txid.clone(),
                index: named.index,
            },
            satoshis: named.output.satoshis,
            payee,
            sender_identity_key: derivation.sender,
            derivation_prefix: derivation.prefix,
            derivation_suffix: derivation.suffix,
            transaction: None,
        })
    }
}

/// An output that the sender named and that exists.
struct NamedOutput<'a> {
    draft: &'a DraftOutput,
    index: u32,
    output: &'a CheckedOutput,
}

impl NamedOutput<'_> {
    fn derivation(&self) -> Result<&Derivation, PaymentError> {
        let derivation = self.draft.derivation.as_ref();
        derivation.ok_or_else(|| self.insufficient("is not a wallet payment with its derivation"))
    }

    fn insufficient(&self, reason: &str) -> PaymentError {
        PaymentError::Insufficient(format!("output {} {reason}", self.index))
    }
}

#[cfg(test)]
mod tests;
