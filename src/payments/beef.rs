//! Reading a payment's transaction and checking that it could be mined: proven ancestors, spent amounts, scripts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Cursor;

use bsv::script::{Spend, SpendParams, UnlockingScript};
use bsv::transaction::{Beef, BeefTx, Transaction, TransactionInput};

use super::beef_layout::check_layout;
use super::error::PaymentError;
use super::scripts::Budget;

/// Blocks that its proofs may lead to; each is asked for by itself.
const MAX_BLOCKS: usize = 200;

/// An output as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// What it is worth.
    pub satoshis: u64,
    /// Its locking script.
    pub script: Vec<u8>,
}

/// A transaction whose ancestors are proven and whose scripts hold.
///
/// Whether the proofs lead to blocks that were mined is known to who has the block headers:
/// [`Self::merkle_roots`] is for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedTransaction {
    /// Hexadecimal, as it is displayed.
    pub txid: String,
    /// Its outputs.
    pub outputs: Vec<Output>,
    /// By block height, the merkle root that its proofs lead to.
    pub merkle_roots: Vec<(u32, String)>,
}

fn invalid(reason: impl Into<String>) -> PaymentError {
    PaymentError::Invalid(reason.into())
}

impl CheckedTransaction {
    /// Reads an `AtomicBEEF` (BRC-95) and checks it. Slow: run it where it holds nobody up.
    ///
    /// # Errors
    /// [`PaymentError::Invalid`].
    pub fn read(bytes: &[u8]) -> Result<Self, PaymentError> {
        check_layout(bytes).map_err(|misfit| invalid(misfit.0))?;
        let beef = Beef::from_binary(&mut Cursor::new(bytes))
            .map_err(|error| invalid(error.to_string()))?;
        let txid = beef
            .atomic_txid
            .clone()
            .ok_or_else(|| invalid("it is no AtomicBEEF"))?;
        let verdict = beef
            .verify_valid(false)
            .map_err(|error| invalid(error.to_string()))?;
        if !verdict.valid {
            return Err(invalid(
                "its transactions are not proven back to mined ones",
            ));
        }
        check_spends(&beef)?;
        let merkle_roots = merkle_roots(&beef)?;
        let subject = beef.find_txid(&txid).and_then(|entry| entry.tx.as_ref());
        let subject = subject.ok_or_else(|| invalid("it lacks its own transaction"))?;
        let output = |output: &bsv::transaction::TransactionOutput| Output {
            satoshis: output.satoshis.unwrap_or(0),
            script: output.locking_script.to_binary(),
        };
        Ok(Self {
            outputs: subject.outputs.iter().map(output).collect(),
            merkle_roots,
            txid,
        })
    }
}

/// What the proofs of all proven transactions lead to. The SDK computes roots for leaves that are marked as
/// transactions; a path without marks would prove its transactions without a root that anybody could check.
fn merkle_roots(beef: &Beef) -> Result<Vec<(u32, String)>, PaymentError> {
    let mut roots = BTreeMap::new();
    for entry in &beef.txs {
        let Some(bump) = beef.find_bump(&entry.txid) else {
            continue;
        };
        let root = bump
            .compute_root(Some(&entry.txid))
            .map_err(|error| invalid(error.to_string()))?;
        let known = roots
            .entry(bump.block_height)
            .or_insert_with(|| root.clone());
        if *known != root {
            return Err(invalid("its proofs lead to two blocks at one height"));
        }
        if roots.len() > MAX_BLOCKS {
            return Err(invalid("its proofs lead to too many blocks"));
        }
    }
    Ok(roots.into_iter().collect())
}

/// Checks every input of every transaction that is not mined yet.
fn check_spends(beef: &Beef) -> Result<(), PaymentError> {
    let by_txid: HashMap<&str, &Transaction> = beef
        .txs
        .iter()
        .filter_map(|entry| Some((entry.txid.as_str(), entry.tx.as_ref()?)))
        .collect();
    let mut budget = Budget::new();
    // Of all transactions together: two that spend the same cannot both be mined.
    let mut spent = HashSet::new();
    for entry in &beef.txs {
        if let Some(transaction) = unproven(beef, entry) {
            check_final(transaction)?;
            check_transaction(transaction, &by_txid, &mut spent, &mut budget)?;
        }
    }
    Ok(())
}

fn unproven<'a>(beef: &Beef, entry: &'a BeefTx) -> Option<&'a Transaction> {
    let proven = beef.find_bump(&entry.txid).is_some();
    entry.tx.as_ref().filter(|_| !proven)
}

/// One that waits for a time to come can be replaced until then.
fn check_final(transaction: &Transaction) -> Result<(), PaymentError> {
    let is_final = transaction.lock_time == 0
        || transaction
            .inputs
            .iter()
            .all(|input| input.sequence == u32::MAX);
    if is_final {
        Ok(())
    } else {
        Err(invalid("it can be replaced before it is mined"))
    }
}

fn check_transaction<'a>(
    transaction: &'a Transaction,
    by_txid: &HashMap<&str, &Transaction>,
    spent_outputs: &mut HashSet<(&'a str, u32)>,
    budget: &mut Budget,
) -> Result<(), PaymentError> {
    let size = transaction
        .to_bytes()
        .map_err(|error| invalid(error.to_string()))?
        .len();
    let mut spent: u128 = 0;
    for (index, input) in transaction.inputs.iter().enumerate() {
        let source_txid = input.source_txid.as_deref().unwrap_or_default();
        let source = by_txid
            .get(source_txid)
            .and_then(|source| {
                source
                    .outputs
                    .get(usize::try_from(input.source_output_index).ok()?)
            })
            .ok_or_else(|| invalid("an input spends what is not there"))?;
        if !spent_outputs.insert((source_txid, input.source_output_index)) {
            return Err(invalid("an output is spent twice"));
        }
        let satoshis = source.satoshis.unwrap_or(0);
        spent += u128::from(satoshis);
        let unlocking = input
            .unlocking_script
            .clone()
            .unwrap_or_else(|| UnlockingScript::from_binary(&[]));
        let scripts = [unlocking.to_binary(), source.locking_script.to_binary()];
        let scripts = [scripts[0].as_slice(), scripts[1].as_slice()];
        if !budget.pay(scripts, size) {
            return Err(invalid(
                "an input has a script that is not run here, or there are too many",
            ));
        }
        let valid = Spend::new(SpendParams {
            locking_script: source.locking_script.clone(),
            unlocking_script: unlocking,
            source_txid: source_txid.to_owned(),
            source_output_index: usize::try_from(input.source_output_index).unwrap_or(usize::MAX),
            source_satoshis: satoshis,
            transaction_version: transaction.version,
            transaction_lock_time: transaction.lock_time,
            transaction_sequence: input.sequence,
            other_inputs: others(&transaction.inputs, index),
            other_outputs: transaction.outputs.clone(),
            input_index: index,
        })
        .validate();
        if !matches!(valid, Ok(true)) {
            return Err(invalid("an input is not signed by who may spend it"));
        }
    }
    let paid: u128 = transaction
        .outputs
        .iter()
        .map(|output| u128::from(output.satoshis.unwrap_or(0)))
        .sum();
    if paid > spent {
        return Err(invalid("it pays out more than it spends"));
    }
    Ok(())
}

fn others(inputs: &[TransactionInput], index: usize) -> Vec<TransactionInput> {
    let others = inputs.iter().enumerate().filter(|(at, _)| *at != index);
    others.map(|(_, input)| input.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::minting::Mint;
    use super::*;

    fn refused(bytes: &[u8]) -> String {
        CheckedTransaction::read(bytes).unwrap_err().to_string()
    }

    #[test]
    fn a_signed_payment_with_proven_ancestors_is_read() {
        let bytes = Mint::new().pay(&[(vec![0x51], 7), (vec![0x52], 8)]);
        let read = CheckedTransaction::read(&bytes).unwrap();
        let worth: Vec<u64> = read.outputs.iter().map(|output| output.satoshis).collect();
        assert_eq!(worth, [7, 8]);
        assert_eq!(read.outputs[1].script, [0x52]);
        assert_eq!((read.txid.len(), read.merkle_roots.len()), (64, 1));
    }

    /// Marks only say which leaves a root is computed for; they prove nothing by being absent.
    #[test]
    fn a_proof_without_marks_has_its_root_all_the_same() {
        let bytes = Mint::new().pay(&[(vec![0x51], 7)]);
        let marked = CheckedTransaction::read(&bytes).unwrap();
        let mut beef = Beef::from_binary(&mut Cursor::new(&bytes)).unwrap();
        let leaves = beef.bumps[0].path[0].iter_mut();
        leaves.for_each(|leaf| leaf.txid = false);
        let unmarked = beef.to_binary_atomic(&marked.txid).unwrap();
        let read = CheckedTransaction::read(&unmarked).unwrap();
        assert_eq!(read.merkle_roots, marked.merkle_roots);
    }

    #[test]
    fn a_payment_that_cannot_be_mined_is_refused() {
        let output = [(vec![0x51], 7)];
        // 1 shifted by 2^63 - 1: to run it would end the process.
        let shift = [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xb6];
        let shifting = [&[0x51][..], &shift].concat();
        let multisig = vec![0x61, 0x51, 0x51, 0x51, 0xae];
        let cases = [
            (Mint::new().forged().pay(&output), "not signed"),
            (Mint::new().unproven().pay(&output), "not proven"),
            (
                Mint::new().locked_until(4_000_000_000).pay(&output),
                "can be replaced",
            ),
            (Mint::new().locked_by(shifting).pay(&output), "not run here"),
            (Mint::new().locked_by(multisig).pay(&output), "not run here"),
            (
                Mint::new().pay(&[(vec![0x51], 1_000_001)]),
                "more than it spends",
            ),
            (
                Mint::new().locked_by(vec![0x51, 0x95, 0x51]).pay(&output),
                "not run here",
            ),
            (b"nonsense".to_vec(), "no AtomicBEEF"),
            (Vec::new(), "breaks off"),
        ];
        for (bytes, reason) in cases {
            let said = refused(&bytes);
            assert!(said.contains(reason), "{said:?} does not say {reason:?}");
        }
    }
}
