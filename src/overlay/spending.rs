//! Transactions that advertise, revoke, or do both. The wallet creates and pays for them and signs the spent outputs.

use std::collections::HashMap;
use std::io::Cursor;

use bsv::script::LockingScript;
use bsv::script::templates::push_drop::push_drop_unlocking_script;
use bsv::transaction::{Beef, Transaction};
use bsv::wallet::interfaces::{
    AbortActionArgs, CreateActionArgs, CreateActionInput, CreateActionOptions, CreateActionOutput,
    CreateSignatureArgs, SignActionArgs, SignActionOptions, SignActionSpend, SignableTransaction,
};
use bsv::wallet::types::BooleanDefaultTrue;

use crate::auth::sha256;
use crate::outbound::WalletHttp;

use super::advertisement::{
    Advertisement, BASKET, KEY_ID, SATOSHIS, wallet_counterparty, wallet_protocol,
};
use super::error::OverlayError;

/// The signature covers all inputs and outputs.
const SIGHASH: u8 = 0x41;
/// Bytes of the unlocking script: a signature and its length.
const UNLOCKING_BYTES: u32 = 73;
/// Bytes before the BEEF in an `AtomicBEEF`: a marker and the transaction's id.
const ATOMIC_PREFIX: usize = 36;

pub(super) const UNREADABLE: OverlayError =
    OverlayError::WalletAnswer("a transaction that cannot be used");

/// A transaction that the wallet created.
#[derive(Debug)]
pub(super) struct CreatedTransaction {
    /// Hexadecimal, in display order.
    pub(super) txid: String,
    /// The transaction with its proofs, without the atomic prefix, which some services cannot read.
    pub(super) beef: Vec<u8>,
    /// The spent transactions and output indexes.
    spent: Vec<(String, u32)>,
}

impl CreatedTransaction {
    /// Whether it spends an advertisement, and so revokes it.
    pub(super) fn spends(&self, advertisement: &Advertisement) -> bool {
        self.spent.iter().any(|(txid, index)| {
            *txid == advertisement.txid && *index == advertisement.output_index
        })
    }

    pub(super) fn read(atomic: &[u8]) -> Option<Self> {
        let beef = Beef::from_binary(&mut Cursor::new(atomic)).ok()?;
        let txid = beef.atomic_txid.clone()?;
        let inputs = &beef.find_txid(&txid)?.tx.as_ref()?.inputs;
        let spent = inputs
            .iter()
            .filter_map(|input| Some((input.source_txid.clone()?, input.source_output_index)))
            .collect();
        // Sorted by dependency, so that the transaction comes last.
        let ordered = beef.to_binary_atomic(&txid).ok()?;
        Some(Self {
            txid,
            beef: ordered.get(ATOMIC_PREFIX..)?.to_vec(),
            spent,
        })
    }
}

/// A wallet that creates and pays for transactions.
pub(super) struct WalletActions(pub(super) WalletHttp);

impl WalletActions {
    /// Creates a transaction that spends advertisements. With a script, it also adds an advertisement.
    pub(super) async fn make(
        &self,
        description: &str,
        spent: &[Advertisement],
        script: Option<&[u8]>,
    ) -> Result<CreatedTransaction, OverlayError> {
        let action = action(description, spent, script).map_err(|_| UNREADABLE)?;
        let made = self.0.create_action(&action).await?;
        let atomic = match (made.signable_transaction, made.tx) {
            (Some(signable), _) => self.complete(spent, signable).await?,
            (None, Some(whole)) => whole,
            (None, None) => return Err(OverlayError::WalletAnswer("no transaction")),
        };
        CreatedTransaction::read(&atomic).ok_or(UNREADABLE)
    }

    /// Signs the spent outputs. A failed transaction is aborted, so that the wallet keeps its money.
    async fn complete(
        &self,
        spent: &[Advertisement],
        signable: SignableTransaction,
    ) -> Result<Vec<u8>, OverlayError> {
        let reference = signable.reference.clone();
        let spends = self.unlock(spent, &signable.tx).await;
        let signed = match spends {
            Ok(spends) => {
                let signing = SignActionArgs {
                    reference: signable.reference,
                    spends,
                    options: Some(SignActionOptions {
                        accept_delayed_broadcast: BooleanDefaultTrue(Some(false)),
                        ..SignActionOptions::default()
                    }),
                };
                let signed = self.0.sign_action(&signing).await;
                signed.map_err(OverlayError::from)
            }
            Err(error) => Err(error),
        };
        match signed {
            Ok(signed) => signed
                .tx
                .ok_or(OverlayError::WalletAnswer("no transaction")),
            Err(error) => {
                // The original error matters more.
                let _ = self.0.abort_action(&AbortActionArgs { reference }).await;
                Err(error)
            }
        }
    }

    async fn unlock(
        &self,
        spent: &[Advertisement],
        unsigned: &[u8],
    ) -> Result<HashMap<u32, SignActionSpend>, OverlayError> {
        let transaction = Beef::from_binary(&mut Cursor::new(unsigned))
            .and_then(Beef::into_transaction)
            .map_err(|_| UNREADABLE)?;
        let mut spends = HashMap::new();
        for advertisement in spent {
            let input = input_of(&transaction, advertisement).ok_or(UNREADABLE)?;
            let locking = LockingScript::from_binary(&advertisement.script);
            let preimage = transaction
                .sighash_preimage(input, u32::from(SIGHASH), advertisement.satoshis, &locking)
                .map_err(|_| UNREADABLE)?;
            // The wallet hashes it a second time.
            let hashed = sha256(preimage.bytes());
            let unlocked = SignActionSpend {
                unlocking_script: self.signature(&hashed).await?,
                sequence_number: None,
            };
            spends.insert(u32::try_from(input).map_err(|_| UNREADABLE)?, unlocked);
        }
        Ok(spends)
    }

    /// The unlocking script: the wallet's signature and its scope.
    async fn signature(&self, hashed: &[u8]) -> Result<Vec<u8>, OverlayError> {
        let signature = self.sign(hashed.to_vec()).await?;
        let unlocking = push_drop_unlocking_script(&signature, SIGHASH)
            .map_err(|_| OverlayError::WalletAnswer("no signature"))?;
        Ok(unlocking.to_binary())
    }

    /// Signs with the key of the advertisements.
    pub(super) async fn sign(&self, data: Vec<u8>) -> Result<Vec<u8>, OverlayError> {
        let request = CreateSignatureArgs {
            protocol_id: wallet_protocol(),
            key_id: KEY_ID.to_owned(),
            counterparty: wallet_counterparty(),
            data: Some(data),
            hash_to_directly_sign: None,
            privileged: false,
            privileged_reason: None,
            seek_permission: None,
        };
        Ok(self.0.create_signature(&request).await?.signature)
    }
}

/// The index of the input that spends an advertisement.
fn input_of(transaction: &Transaction, advertisement: &Advertisement) -> Option<usize> {
    transaction.inputs.iter().position(|input| {
        input.source_txid.as_deref() == Some(&advertisement.txid)
            && input.source_output_index == advertisement.output_index
    })
}

fn action(
    description: &str,
    spent: &[Advertisement],
    script: Option<&[u8]>,
) -> Result<CreateActionArgs, bsv::transaction::TransactionError> {
    let input = |advertisement: &Advertisement| CreateActionInput {
        outpoint: advertisement.outpoint(),
        input_description: "MessageBox host advertisement".to_owned(),
        unlocking_script: None,
        unlocking_script_length: Some(UNLOCKING_BYTES),
        sequence_number: None,
    };
    let output = |script: &[u8]| CreateActionOutput {
        locking_script: Some(script.to_vec()),
        satoshis: SATOSHIS,
        output_description: "MessageBox host advertisement".to_owned(),
        basket: Some(BASKET.to_owned()),
        custom_instructions: None,
        tags: None,
    };
    Ok(CreateActionArgs {
        description: description.to_owned(),
        input_beef: merged(spent)?,
        inputs: (!spent.is_empty()).then(|| spent.iter().map(input).collect()),
        outputs: script.map(|script| vec![output(script)]),
        lock_time: None,
        version: None,
        labels: None,
        options: Some(CreateActionOptions {
            randomize_outputs: BooleanDefaultTrue(Some(false)),
            accept_delayed_broadcast: BooleanDefaultTrue(Some(false)),
            ..CreateActionOptions::default()
        }),
        reference: None,
    })
}

/// The transactions of the spent outputs, in one BEEF.
fn merged(spent: &[Advertisement]) -> Result<Option<Vec<u8>>, bsv::transaction::TransactionError> {
    let Some((first, others)) = spent.split_first() else {
        return Ok(None);
    };
    let mut beef = Beef::from_binary(&mut Cursor::new(&first.beef))?;
    for other in others {
        beef.merge_beef_from_binary(&other.beef)?;
    }
    let mut bytes = Vec::new();
    beef.to_binary(&mut bytes)?;
    Ok(Some(bytes))
}
