//! Checks the inputs of a payment's transactions: they exist, are spent once, are worth enough, and are signed.
//!
//! All cheap checks run first, and the cost of the scripts is summed. Only then the first script runs.

use std::collections::HashMap;

use bsv::script::{Spend, SpendParams, UnlockingScript};
use bsv::transaction::{Beef, BeefTx, Transaction, TransactionInput, TransactionOutput};

use crate::model::{Outpoint, SpentOutput};

use super::scripts::{SLICE, ScriptBudget};
use crate::payments::error::PaymentError;

type ByTxid<'a> = HashMap<&'a str, &'a Transaction>;

fn by_txid(beef: &Beef) -> ByTxid<'_> {
    let transactions = beef.txs.iter();
    transactions
        .filter_map(|entry| Some((entry.txid.as_str(), entry.tx.as_ref()?)))
        .collect()
}

/// Transactions that are not mined yet.
fn unproven(beef: &Beef) -> impl Iterator<Item = (&BeefTx, &Transaction)> {
    let is_proven = |entry: &&BeefTx| beef.find_bump(&entry.txid).is_some();
    let open = beef.txs.iter().filter(move |entry| !is_proven(entry));
    open.filter_map(|entry| Some((entry, entry.tx.as_ref()?)))
}

/// The output that an input spends.
fn source<'a>(
    by_txid: &ByTxid<'a>,
    input: &TransactionInput,
) -> Result<&'a TransactionOutput, PaymentError> {
    let source = by_txid.get(input.source_txid.as_deref().unwrap_or_default());
    source
        .and_then(|source| {
            let index = usize::try_from(input.source_output_index).ok()?;
            source.outputs.get(index)
        })
        .ok_or_else(|| PaymentError::invalid("an input spends what is not there"))
}

fn size(transaction: &Transaction) -> Result<usize, PaymentError> {
    let bytes = transaction.to_bytes();
    bytes
        .map(|bytes| bytes.len())
        .map_err(|error| PaymentError::invalid(error.to_string()))
}

fn unlocking(input: &TransactionInput) -> UnlockingScript {
    let script = input.unlocking_script.clone();
    script.unwrap_or_else(|| UnlockingScript::from_binary(&[]))
}

/// Checks the inputs except their scripts. Returns the spent outputs, and the cost of running the scripts.
pub(in crate::payments) fn check_amounts(
    beef: &Beef,
) -> Result<(Vec<SpentOutput>, u64), PaymentError> {
    let by_txid = by_txid(beef);
    let mut budget = ScriptBudget::new();
    // Keyed across all transactions: two that spend the same output cannot both be mined.
    let mut spent = HashMap::new();
    for (entry, transaction) in unproven(beef) {
        check_final(transaction)?;
        let size = size(transaction)?;
        let mut worth: u128 = 0;
        for input in &transaction.inputs {
            let source = source(&by_txid, input)?;
            let source_txid = input.source_txid.as_deref().unwrap_or_default();
            let outpoint = (source_txid, input.source_output_index);
            if spent.insert(outpoint, entry.txid.as_str()).is_some() {
                return Err(PaymentError::invalid("an output is spent twice"));
            }
            worth += u128::from(source.satoshis.unwrap_or(0));
            let scripts = [
                unlocking(input).to_binary(),
                source.locking_script.to_binary(),
            ];
            let scripts = [scripts[0].as_slice(), scripts[1].as_slice()];
            if budget.pay(scripts, size).is_none() {
                return Err(PaymentError::invalid(
                    "an input has a script that is not run here, or there are too many",
                ));
            }
        }
        let outputs = transaction.outputs.iter();
        let paid: u128 = outputs
            .map(|output| u128::from(output.satoshis.unwrap_or(0)))
            .sum();
        if paid > worth {
            return Err(PaymentError::invalid("it pays out more than it spends"));
        }
    }
    let output = |((txid, index), by): ((&str, u32), &str)| SpentOutput {
        outpoint: Outpoint {
            txid: txid.to_owned(),
            index,
        },
        by: by.to_owned(),
    };
    Ok((spent.into_iter().map(output).collect(), budget.spent()))
}

/// A transaction with a lock time can be replaced until then.
fn check_final(transaction: &Transaction) -> Result<(), PaymentError> {
    let mut inputs = transaction.inputs.iter();
    if transaction.lock_time == 0 || inputs.all(|input| input.sequence == u32::MAX) {
        Ok(())
    } else {
        Err(PaymentError::invalid(
            "it can be replaced before it is mined",
        ))
    }
}

/// Runs the scripts of every unmined input. Calls `pause` after each slice of cost.
pub(in crate::payments) fn run_scripts(beef: &Beef, pause: &dyn Fn()) -> Result<(), PaymentError> {
    let by_txid = by_txid(beef);
    let mut budget = ScriptBudget::new();
    let mut in_slice: u64 = 0;
    for (_, transaction) in unproven(beef) {
        let size = size(transaction)?;
        for (index, input) in transaction.inputs.iter().enumerate() {
            let source = source(&by_txid, input)?;
            let unlocking = unlocking(input);
            let scripts = [unlocking.to_binary(), source.locking_script.to_binary()];
            let cost = budget.pay([scripts[0].as_slice(), scripts[1].as_slice()], size);
            in_slice = in_slice.saturating_add(cost.unwrap_or(SLICE));
            if in_slice > SLICE {
                pause();
                in_slice = 0;
            }
            let valid = Spend::new(SpendParams {
                locking_script: source.locking_script.clone(),
                unlocking_script: unlocking,
                source_txid: input.source_txid.clone().unwrap_or_default(),
                source_output_index: usize::try_from(input.source_output_index)
                    .unwrap_or(usize::MAX),
                source_satoshis: source.satoshis.unwrap_or(0),
                transaction_version: transaction.version,
                transaction_lock_time: transaction.lock_time,
                transaction_sequence: input.sequence,
                other_inputs: others(&transaction.inputs, index),
                other_outputs: transaction.outputs.clone(),
                input_index: index,
            })
            .validate();
            if !matches!(valid, Ok(true)) {
                return Err(PaymentError::invalid(
                    "an input is not signed by who may spend it",
                ));
            }
        }
    }
    Ok(())
}

fn others(inputs: &[TransactionInput], index: usize) -> Vec<TransactionInput> {
    let others = inputs.iter().enumerate().filter(|(at, _)| *at != index);
    others.map(|(_, input)| input.clone()).collect()
}
