//! Makes payments without a blockchain: a transaction that spends an output of another one, which an invented block
//! proves.
//!
//! The unit tests of `payments` and the integration tests share it.

use bsv::primitives::private_key::PrivateKey;
use bsv::script::LockingScript;
use bsv::script::templates::ScriptTemplateLock as _;
use bsv::script::templates::p2pkh::P2PKH;
use bsv::transaction::{
    Beef, MerklePath, MerklePathLeaf, Transaction, TransactionInput, TransactionOutput,
};
use futures_util::FutureExt as _;

/// The value of the spent output.
const FUNDS: u64 = 1_000_000;
const ALL_FORKID: u32 = 0x41;

/// A source of payments that all spend one coin. Tests change what should be wrong with them.
pub struct Mint {
    /// Distinguishes its coin from all others.
    coin: String,
    key: PrivateKey,
    signer: PrivateKey,
    proven: bool,
    lock: Option<Vec<u8>>,
    lock_time: u32,
}

impl Mint {
    pub fn new() -> Self {
        let key = PrivateKey::from_random().unwrap();
        Self {
            coin: PrivateKey::from_random().unwrap().to_hex(),
            signer: key.clone(),
            key,
            proven: true,
            lock: None,
            lock_time: 0,
        }
    }

    /// Signs with a key that may not spend.
    pub fn forged(mut self) -> Self {
        self.signer = PrivateKey::from_random().unwrap();
        self
    }

    /// Omits the proof.
    pub fn unproven(mut self) -> Self {
        self.proven = false;
        self
    }

    /// Spends an output with this script.
    pub fn locked_by(mut self, script: Vec<u8>) -> Self {
        self.lock = Some(script);
        self
    }

    /// Makes payments that are locked until this time and can be replaced before it.
    pub fn locked_until(mut self, time: u32) -> Self {
        self.lock_time = time;
        self
    }

    /// An `AtomicBEEF` of a transaction with these outputs: script and satoshis.
    pub fn pay(&self, outputs: &[(Vec<u8>, u64)]) -> Vec<u8> {
        let lock = match &self.lock {
            Some(script) => LockingScript::from_binary(script),
            None => P2PKH::from_private_key(self.key.clone()).lock().unwrap(),
        };
        let mut source = Transaction::new();
        source
            .add_input(TransactionInput {
                source_txid: Some(format!("{:0>64}", self.coin)),
                ..TransactionInput::default()
            })
            .unwrap();
        source.add_output(output(lock.clone(), FUNDS)).unwrap();
        if self.proven {
            source.merkle_path = Some(proof(&source.id().unwrap()));
        }
        let mut payment = Transaction::new();
        payment.lock_time = self.lock_time;
        let sequence = if self.lock_time == 0 { u32::MAX } else { 0 };
        payment
            .add_input(TransactionInput {
                source_txid: Some(source.id().unwrap()),
                source_transaction: Some(Box::new(source)),
                source_output_index: 0,
                sequence,
                ..TransactionInput::default()
            })
            .unwrap();
        for (script, satoshis) in outputs {
            let script = LockingScript::from_binary(script);
            payment.add_output(output(script, *satoshis)).unwrap();
        }
        let template = P2PKH::from_private_key(self.signer.clone());
        payment
            .sign(0, &template, ALL_FORKID, FUNDS, &lock)
            .now_or_never()
            .unwrap()
            .unwrap();
        let txid = payment.id().unwrap();
        let mut beef = Beef::new(bsv::transaction::beef::BEEF_V2);
        beef.merge_transaction(&payment).unwrap();
        beef.to_binary_atomic(&txid).unwrap()
    }
}

fn output(locking_script: LockingScript, satoshis: u64) -> TransactionOutput {
    TransactionOutput {
        satoshis: Some(satoshis),
        locking_script,
        change: false,
    }
}

/// A block of two transactions.
pub fn proof(txid: &str) -> MerklePath {
    let leaf = |offset, hash: String, is_subject| MerklePathLeaf {
        offset,
        hash: Some(hash),
        txid: is_subject,
        duplicate: false,
    };
    let level = vec![
        leaf(0, txid.to_owned(), true),
        leaf(1, "ab".repeat(32), false),
    ];
    MerklePath::new(800_000, vec![level]).unwrap()
}
