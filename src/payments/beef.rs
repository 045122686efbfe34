//! Reading a payment's transaction and checking that it could be mined: proven ancestors, spent amounts, scripts.

use std::collections::{BTreeMap, HashMap};
use std::io::Cursor;

use bsv::script::{Spend, SpendParams, UnlockingScript};
use bsv::transaction::{Beef, BeefTx, Transaction, TransactionInput};

use crate::db::{Outpoint, SpentOutput};

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
    /// What it spends, and what its ancestors spend that are not mined yet.
    pub spends: Vec<SpentOutput>,
    /// By block height, the merkle root that its proofs lead to.
    pub merkle_roots: Vec<(u32, String)>,
}

/// What was read out of a payment whose transaction was checked.
#[derive(Debug, Clone)]
pub struct Checked<T> {
    /// What was read.
    pub payment: T,
    /// What its transaction spends, and what those of its ancestors spend that are not mined yet.
    pub spends: Vec<SpentOutput>,
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
        let spends = check_spends(&beef)?;
        let merkle_roots = merkle_roots(&beef)?;
        let subject = beef.find_txid(&txid).and_then(|entry| entry.tx.as_ref());
        let subject = subject.ok_or_else(|| invalid("it lacks its own transaction"))?;
        let output = |output: &bsv::transaction::TransactionOutput| Output {
            satoshis: output.satoshis.unwrap_or(0),
            script: output.locking_script.to_binary(),
        };
        Ok(Self {
            outputs: subject.outputs.iter().map(output).collect(),
            spends,
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

/// Checks every input of every transaction that is not mined yet; says what they spend.
fn check_spends(beef: &Beef) -> Result<Vec<SpentOutput>, PaymentError> {
    let by_txid: HashMap<&str, &Transaction> = beef
        .txs
        .iter()
        .filter_map(|entry| Some((entry.txid.as_str(), entry.tx.as_ref()?)))
        .collect();
    let mut budget = Budget::new();
    // By what, for all transactions together: two that spend the same cannot both be mined.
    let mut spent = HashMap::new();
    for entry in &beef.txs {
        if let Some(transaction) = unproven(beef, entry) {
            check_final(transaction)?;
            check_transaction(entry, transaction, &by_txid, &mut spent, &mut budget)?;
        }
    }
    let output = |((txid, index), by): ((&str, u32), &str)| SpentOutput {
        outpoint: Outpoint {
            txid: txid.to_owned(),
            index,
        },
        by: by.to_owned(),
    };
    Ok(spent.into_iter().map(output).collect())
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
    entry: &'a BeefTx,
    transaction: &'a Transaction,
    by_txid: &HashMap<&str, &Transaction>,
    spent_outputs: &mut HashMap<(&'a str, u32), &'a str>,
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
        let outpoint = (source_txid, input.source_output_index);
        if spent_outputs.insert(outpoint, &entry.txid).is_some() {
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
    use bsv::script::LockingScript;
    use bsv::transaction::TransactionOutput;

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

    fn output(satoshis: u64) -> TransactionOutput {
        TransactionOutput {
            satoshis: Some(satoshis),
            // Whoever comes may spend it.
            locking_script: LockingScript::from_binary(&[0x51, 0x61]),
            change: false,
        }
    }

    /// A transaction that spends output 0 of each of these and has two outputs.
    fn spending(sources: &[&Transaction], satoshis: u64) -> Transaction {
        let mut transaction = Transaction::new();
        for source in sources {
            let input = TransactionInput {
                source_txid: Some(source.id().unwrap()),
                source_transaction: Some(Box::new((*source).clone())),
                unlocking_script: Some(UnlockingScript::from_binary(&[])),
                sequence: u32::MAX,
                ..TransactionInput::default()
            };
            transaction.add_input(input).unwrap();
        }
        for satoshis in [satoshis, 1] {
            transaction.add_output(output(satoshis)).unwrap();
        }
        transaction
    }

    fn proven() -> Transaction {
        let nowhere = Transaction::new();
        let mut source = spending(&[&nowhere], 100);
        source.inputs[0].source_transaction = None;
        let id = source.id().unwrap();
        source.merkle_path = Some(super::super::minting::proof(&id));
        source
    }

    fn read(transaction: &Transaction) -> Result<CheckedTransaction, PaymentError> {
        let mut beef = Beef::new(bsv::transaction::beef::BEEF_V2);
        beef.merge_transaction(transaction).unwrap();
        let bytes = beef.to_binary_atomic(&transaction.id().unwrap()).unwrap();
        CheckedTransaction::read(&bytes)
    }

    #[test]
    fn what_ancestors_spend_that_are_not_mined_is_known() {
        let source = proven();
        let change = spending(&[&source], 90);
        let payment = spending(&[&change], 80);
        let id = |transaction: &Transaction| transaction.id().unwrap();
        let spent = |of: &Transaction, by: &Transaction| SpentOutput {
            outpoint: Outpoint {
                txid: id(of),
                index: 0,
            },
            by: id(by),
        };
        let mut spends = read(&payment).unwrap().spends;
        spends.sort_by_key(|spent| spent.by == id(&payment));
        assert_eq!(spends, [spent(&source, &change), spent(&change, &payment)]);
    }

    #[test]
    fn two_transactions_that_spend_the_same_pay_for_nothing() {
        let source = proven();
        let (one, other) = (spending(&[&source], 50), spending(&[&source], 60));
        let said = read(&spending(&[&one, &other], 70))
            .unwrap_err()
            .to_string();
        assert!(said.contains("spent twice"), "{said}");
        // It is not for the two inputs: one of them alone is none.
        assert!(read(&spending(&[&one], 40)).is_ok());
    }
}
