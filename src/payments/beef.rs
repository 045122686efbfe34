//! Reads a payment's transaction and checks that it can be mined: proven ancestors, amounts, scripts.

pub(in crate::payments) mod check;
pub(in crate::payments) mod scripts;
mod spends;
pub(in crate::payments) mod verdict_cache;

use std::collections::BTreeMap;
use std::io::Cursor;

use bsv::transaction::Beef;

use crate::beef_layout::check_layout;
use crate::model::SpentOutput;

use self::check::{CheckError, Checks};
use self::scripts::reading;
use self::verdict_cache::{BeefHash, VerdictCache};
use super::error::PaymentError;

/// Maximum blocks that the proofs may refer to; each takes one request to the header service.
const MAX_BLOCKS: usize = 200;

/// An output of a checked transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedOutput {
    pub satoshis: u64,
    pub script: Vec<u8>,
}

/// A transaction with proven ancestors and valid scripts.
///
/// Its proofs are checked against block headers elsewhere: that check uses [`Self::merkle_roots`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedTransaction {
    /// Hexadecimal, in display order.
    pub txid: String,
    pub outputs: Vec<CheckedOutput>,
    /// Outputs spent by the transaction and by its unmined ancestors.
    pub spends: Vec<SpentOutput>,
    /// The merkle root of its proofs for each block height.
    pub merkle_roots: Vec<(u32, String)>,
}

/// A payment with its checked transaction's data.
#[derive(Debug, Clone)]
pub struct Checked<T> {
    pub payment: T,
    /// Outputs spent by the transaction and by its unmined ancestors.
    pub spends: Vec<SpentOutput>,
    /// The merkle root of its proofs for each block height.
    pub merkle_roots: Vec<(u32, String)>,
}

/// A parsed transaction: proven, and paying out no more than it spends. Its scripts have not run yet.
pub(super) struct ReadTransaction {
    pub(super) transaction: CheckedTransaction,
    beef: Beef,
    hash: BeefHash,
    /// The cost of running its scripts.
    cost: u64,
}

impl ReadTransaction {
    /// Parses an `AtomicBEEF` (BRC-95) and checks everything except its scripts.
    ///
    /// # Errors
    /// [`CheckError`].
    pub(super) fn read(bytes: &[u8], checks: &Checks<'_>) -> Result<Self, CheckError> {
        let hash = verdict_cache::hash(bytes);
        if let Some(Err(error)) = checks.cache.get(&hash) {
            return Err(error.into());
        }
        let read = check_layout(bytes).map_err(|misfit| PaymentError::invalid(misfit.0));
        if read.is_ok() {
            checks.affords(reading(bytes))?;
        }
        let read = read.and_then(|()| Self::parse(bytes, hash));
        match read {
            Ok(read) => Ok(read),
            Err(error) => Ok(checks.cache.note(hash, Err(error))?),
        }
    }

    fn parse(bytes: &[u8], hash: BeefHash) -> Result<Self, PaymentError> {
        let beef = Beef::from_binary(&mut Cursor::new(bytes))
            .map_err(|error| PaymentError::invalid(error.to_string()))?;
        let txid = beef
            .atomic_txid
            .clone()
            .ok_or_else(|| PaymentError::invalid("it is no AtomicBEEF"))?;
        let verdict = beef
            .verify_valid(false)
            .map_err(|error| PaymentError::invalid(error.to_string()))?;
        if !verdict.valid {
            return Err(PaymentError::invalid(
                "its transactions are not proven back to mined ones",
            ));
        }
        let (spends, cost) = spends::check_amounts(&beef)?;
        let merkle_roots = merkle_roots(&beef)?;
        let subject = beef.find_txid(&txid).and_then(|entry| entry.tx.as_ref());
        let subject =
            subject.ok_or_else(|| PaymentError::invalid("it lacks its own transaction"))?;
        let output = |output: &bsv::transaction::TransactionOutput| CheckedOutput {
            satoshis: output.satoshis.unwrap_or(0),
            script: output.locking_script.to_binary(),
        };
        let transaction = CheckedTransaction {
            outputs: subject.outputs.iter().map(output).collect(),
            spends,
            merkle_roots,
            txid,
        };
        Ok(Self {
            transaction,
            beef,
            hash,
            cost,
        })
    }

    /// Runs the scripts of all inputs, unless they passed before. Slow: do not call it on a worker thread.
    ///
    /// # Errors
    /// [`CheckError`].
    pub(super) fn run_scripts(self, checks: &Checks<'_>) -> Result<CheckedTransaction, CheckError> {
        if checks.cache.get(&self.hash) != Some(Ok(())) {
            checks.affords(self.cost)?;
            let ran = spends::run_scripts(&self.beef, checks.pause);
            checks.cache.note(self.hash, ran)?;
        }
        Ok(self.transaction)
    }
}

impl CheckedTransaction {
    /// Parses an `AtomicBEEF` (BRC-95) and checks all of it, at any cost. Slow: do not call it on a worker thread.
    ///
    /// # Errors
    /// [`PaymentError::Invalid`].
    pub fn read(bytes: &[u8]) -> Result<Self, PaymentError> {
        let checks = Checks {
            cache: &VerdictCache::default(),
            max_cost: u64::MAX,
            pause: &|| {},
        };
        let checked =
            ReadTransaction::read(bytes, &checks).and_then(|read| read.run_scripts(&checks));
        checked.map_err(|error| match error {
            CheckError::Refused(error) => error,
            CheckError::Costly => PaymentError::invalid("it costs too much to check"),
        })
    }
}

/// The merkle roots of all proven transactions. The SDK computes roots only for leaves marked as transactions. A path
/// without marks would prove its transactions without a root to check.
fn merkle_roots(beef: &Beef) -> Result<Vec<(u32, String)>, PaymentError> {
    let mut roots = BTreeMap::new();
    for entry in &beef.txs {
        let Some(bump) = beef.find_bump(&entry.txid) else {
            continue;
        };
        let root = bump
            .compute_root(Some(&entry.txid))
            .map_err(|error| PaymentError::invalid(error.to_string()))?;
        let known = roots
            .entry(bump.block_height)
            .or_insert_with(|| root.clone());
        if *known != root {
            return Err(PaymentError::invalid(
                "its proofs lead to two blocks at one height",
            ));
        }
        if roots.len() > MAX_BLOCKS {
            return Err(PaymentError::invalid("its proofs lead to too many blocks"));
        }
    }
    Ok(roots.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::minting::Mint;
    use crate::model::Outpoint;
    use bsv::script::{LockingScript, UnlockingScript};
    use bsv::transaction::{Transaction, TransactionInput, TransactionOutput};

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

    fn checks<'a>(cache: &'a VerdictCache, max_cost: u64, pause: &'a dyn Fn()) -> Checks<'a> {
        Checks {
            cache,
            max_cost,
            pause,
        }
    }

    #[test]
    fn the_same_bytes_are_checked_once() {
        let cache = VerdictCache::default();
        let whole = checks(&cache, u64::MAX, &|| {});
        let check = |bytes: &[u8], checks: &Checks<'_>| {
            ReadTransaction::read(bytes, checks).and_then(|read| read.run_scripts(checks))
        };
        let good = Mint::new().pay(&[(vec![0x51], 7)]);
        let forged = Mint::new().forged().pay(&[(vec![0x51], 7)]);
        // This budget pays for parsing, but not for running scripts.
        let reading_only = checks(&cache, reading(&good) * 2, &|| {});
        for bytes in [&good, &forged] {
            assert_eq!(check(bytes, &reading_only), Err(CheckError::Costly));
        }
        let first = check(&good, &whole).unwrap();
        let refused = check(&forged, &whole).unwrap_err();
        assert_eq!(check(&good, &reading_only), Ok(first));
        assert_eq!(check(&forged, &reading_only), Err(refused));
        // A refused transaction is not even parsed again.
        let nothing = checks(&cache, 0, &|| {});
        assert!(matches!(
            check(&forged, &nothing),
            Err(CheckError::Refused(_))
        ));
        assert_eq!(check(&good, &nothing), Err(CheckError::Costly));
    }

    /// A transaction that spends outputs with these locking scripts, each worth 100. Anyone may unlock them.
    fn spending_scripts(scripts: &[Vec<u8>], satoshis: u64) -> Transaction {
        let mut source = proven();
        source.outputs = scripts
            .iter()
            .map(|script| TransactionOutput {
                locking_script: LockingScript::from_binary(script),
                ..output(100)
            })
            .collect();
        let id = source.id().unwrap();
        source.merkle_path = Some(crate::minting::proof(&id));
        let mut payment = Transaction::new();
        for index in 0..scripts.len() {
            let input = TransactionInput {
                source_txid: Some(id.clone()),
                source_transaction: Some(Box::new(source.clone())),
                source_output_index: u32::try_from(index).unwrap(),
                unlocking_script: Some(UnlockingScript::from_binary(&[])),
                sequence: u32::MAX,
            };
            payment.add_input(input).unwrap();
        }
        payment.add_output(output(satoshis)).unwrap();
        payment
    }

    #[test]
    fn what_cannot_pay_is_refused_before_a_script_runs() {
        // OP_FALSE, which fails when it runs, and a script that costs too much.
        let (wrong, costly) = (vec![0x00], vec![0xac; 1_000]);
        let refused = |scripts: &[Vec<u8>], satoshis| {
            let payment = spending_scripts(scripts, satoshis);
            read(&payment).unwrap_err().to_string()
        };
        let said = refused(std::slice::from_ref(&wrong), 50);
        assert!(said.contains("not signed"), "{said}");
        let said = refused(&[wrong.clone(), costly], 50);
        assert!(said.contains("too many"), "{said}");
        let said = refused(&[wrong], 1_000);
        assert!(said.contains("more than it spends"), "{said}");
    }

    #[test]
    fn what_costs_much_pauses_now_and_then() {
        // OP_NOP, many times, and OP_TRUE: a fifth of a slice.
        let script = [vec![0x61; 4_000], vec![0x51]].concat();
        let payment = spending_scripts(&vec![script; 20], 1);
        let mut beef = Beef::new(bsv::transaction::beef::BEEF_V2);
        beef.merge_transaction(&payment).unwrap();
        let bytes = beef.to_binary_atomic(&payment.id().unwrap()).unwrap();
        let (cache, pauses) = (VerdictCache::default(), std::cell::Cell::new(0));
        let count = || pauses.set(pauses.get() + 1);
        let whole = checks(&cache, u64::MAX, &count);
        let read = ReadTransaction::read(&bytes, &whole).unwrap();
        assert!(read.cost > 2 * scripts::SLICE);
        read.run_scripts(&whole).unwrap();
        assert!(pauses.get() >= 2, "{}", pauses.get());
    }

    /// Marks select the leaves for which a root is computed. Their absence proves nothing.
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
        // 1 shifted by 2^63 - 1: running it would crash the process.
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
            // Anyone may spend it.
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
        source.merkle_path = Some(crate::minting::proof(&id));
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
        // The cause is not the number of inputs: one of them alone is fine.
        assert!(read(&spending(&[&one], 40)).is_ok());
    }
}
