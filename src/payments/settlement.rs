//! Holding a payment against what is due.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytestring::ByteString;

use crate::db::{Outpoint, PaymentOutput, Quote};
use crate::ids::IdentityKey;

use super::allocation::{Allocation, allocate};
use super::beef::{CheckedTransaction, Output};
use super::brc29::{Derivation, PaymentKeys};
use super::cashier::ServerPayment;
use super::draft::{DraftOutput, PaymentDraft};
use super::error::PaymentError;

/// A payment that pays what is due.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Satoshis for the server.
    pub delivery: u64,
    /// Satoshis for each recipient.
    pub recipients: Vec<u64>,
    /// The outputs that pay what is due; each must be taken once.
    pub outputs: Vec<PaymentOutput>,
    /// JSON of the payment for each recipient who gets a part of it.
    pub shares: Vec<Option<ByteString>>,
    /// The server's part.
    pub server: Option<ServerPayment>,
    /// By block height, what the proofs lead to.
    pub merkle_roots: Vec<(u32, String)>,
}

/// A payment where nothing is due: it goes to the recipients as it is.
#[derive(Debug, Clone, Default)]
pub struct Voluntary {
    /// JSON of the payment for each recipient who gets a part of it.
    pub shares: Vec<Option<ByteString>>,
}

impl Voluntary {
    /// Reads a payment that nobody asked for. It need not pay anybody in particular, but it must be one: the named
    /// outputs exist in a transaction that could be mined.
    ///
    /// # Errors
    /// [`PaymentError`].
    pub fn read(draft: &PaymentDraft, recipients: &[IdentityKey]) -> Result<Self, PaymentError> {
        if !draft.is_offered() {
            return Ok(Self {
                shares: vec![None; recipients.len()],
            });
        }
        let unreadable = || PaymentError::Invalid("tx is not an array of bytes".to_owned());
        let bytes = draft.transaction.as_deref().ok_or_else(unreadable)?;
        let no_outputs = || PaymentError::Invalid("outputs is not an array".to_owned());
        let outputs = draft.outputs.as_deref().ok_or_else(no_outputs)?;
        let transaction = CheckedTransaction::read(bytes)?;
        let free = Quote {
            delivery_fee: 0,
            recipient_fees: vec![0; recipients.len()],
        };
        let allocation = allocate(outputs, &free, recipients)?;
        check_named(outputs, &transaction, &allocation)?;
        Ok(Self {
            shares: shares(draft, &allocation),
        })
    }
}

impl Settlement {
    /// Checks that a payment pays what is due. Slow: run it where it holds nobody up.
    ///
    /// # Errors
    /// [`PaymentError`].
    pub fn read(
        draft: &PaymentDraft,
        quote: &Quote,
        recipients: &[IdentityKey],
        server: IdentityKey,
        keys: &PaymentKeys<'_>,
    ) -> Result<Self, PaymentError> {
        let (Some(bytes), Some(outputs)) = (&draft.transaction, &draft.outputs) else {
            return Err(PaymentError::MissingTransaction);
        };
        let allocation = allocate(outputs, quote, recipients)?;
        let transaction = CheckedTransaction::read(bytes)?;
        check_named(outputs, &transaction, &allocation)?;
        let till = Till {
            outputs,
            transaction: &transaction,
            keys,
        };
        let mut settlement = Self {
            delivery: 0,
            recipients: Vec::with_capacity(recipients.len()),
            outputs: Vec::new(),
            shares: shares(draft, &allocation),
            server: None,
            merkle_roots: transaction.merkle_roots.clone(),
        };
        if let Some(position) = allocation.server {
            let (derivation, mut output) = till.pays(position, server)?;
            enough(output.satoshis, quote.delivery_fee, "the server")?;
            settlement.delivery = output.satoshis;
            output.transaction = Some(STANDARD.encode(bytes));
            settlement.server = Some(ServerPayment {
                transaction: bytes.clone(),
                output_index: output.outpoint.index,
                satoshis: output.satoshis,
                derivation,
                description: draft.description(),
            });
            settlement.outputs.push(output);
        }
        for (index, recipient) in recipients.iter().enumerate() {
            let fee = quote.recipient_fees.get(index).copied().unwrap_or(0);
            let Ok(fee @ 1..) = u64::try_from(fee) else {
                settlement.recipients.push(0);
                continue;
            };
            let mut paid = 0_u64;
            for position in allocation.recipients.get(index).into_iter().flatten() {
                let (_, output) = till.pays(*position, *recipient)?;
                paid = paid.saturating_add(output.satoshis);
                settlement.outputs.push(output);
            }
            enough(paid, fee, &recipient.to_hex())?;
            settlement.recipients.push(paid);
        }
        Ok(settlement)
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

/// Every output that is handed out exists and is named once.
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
            return Err(PaymentError::Invalid(
                "it names an output that the transaction does not have".to_owned(),
            ));
        }
        if !seen.insert(index) {
            return Err(PaymentError::Invalid("it names an output twice".to_owned()));
        }
    }
    Ok(())
}

fn output_at(transaction: &CheckedTransaction, index: Option<u32>) -> Option<&Output> {
    transaction.outputs.get(usize::try_from(index?).ok()?)
}

fn shares(draft: &PaymentDraft, allocation: &Allocation) -> Vec<Option<ByteString>> {
    allocation
        .recipients
        .iter()
        .map(|own| (!own.is_empty()).then(|| draft.share(own)))
        .collect()
}

struct Till<'a> {
    outputs: &'a [DraftOutput],
    transaction: &'a CheckedTransaction,
    keys: &'a PaymentKeys<'a>,
}

impl Till<'_> {
    /// Checks that the output at this position of the sender's list pays `payee`.
    fn pays(
        &self,
        position: usize,
        payee: IdentityKey,
    ) -> Result<(Derivation, PaymentOutput), PaymentError> {
        let draft = self.outputs.get(position);
        let index = draft.and_then(|output| output.index);
        let output = output_at(self.transaction, index);
        let (Some(draft), Some(index), Some(output)) = (draft, index, output) else {
            return Err(PaymentError::Invalid("it lacks an output".to_owned()));
        };
        let insufficient =
            |reason: &str| PaymentError::Insufficient(format!("output {index} {reason}"));
        let derivation = draft
            .derivation
            .clone()
            .ok_or_else(|| insufficient("is not a wallet payment with its derivation"))?;
        let script = self
            .keys
            .script(&payee, &derivation)
            .map_err(|_| insufficient("has a derivation from which no key follows"))?
            .ok_or_else(|| {
                insufficient(
                    "pays a key that only sender and recipient know; derive it with `anyone`",
                )
            })?;
        if output.script != script {
            return Err(insufficient("pays another key"));
        }
        let paid = PaymentOutput {
            outpoint: Outpoint {
                txid: self.transaction.txid.clone(),
                index,
            },
            satoshis: output.satoshis,
            payee,
            sender_identity_key: derivation.sender,
            derivation_prefix: derivation.prefix.clone(),
            derivation_suffix: derivation.suffix.clone(),
            transaction: None,
        };
        Ok((derivation, paid))
    }
}

#[cfg(test)]
mod tests;
