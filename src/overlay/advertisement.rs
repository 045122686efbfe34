//! Advertisements, and reading them from transactions. Pure.

use std::collections::HashSet;
use std::io::Cursor;

use bsv::script::LockingScript;
use bsv::script::templates::push_drop;
use bsv::transaction::{Beef, BeefTx};
use bsv::wallet::types::{
    Counterparty as WalletCounterparty, CounterpartyType, Protocol as WalletProtocol,
};

use crate::auth::{Counterparty, Identity, KeyId, Protocol, sha256};
use crate::beef_layout::check_any_layout;
use crate::ids::IdentityKey;

use super::answer::{OutputRef, Outputs};
use super::host::AdvertisedHost;

/// The topic of overlay services that store advertisements.
pub(super) const TOPIC: &str = "tm_messagebox";
/// The lookup service that finds them.
pub(super) const SERVICE: &str = "ls_messagebox";
/// The wallet's basket for them.
pub(super) const BASKET: &str = "overlay advertisements";
/// The value of an advertisement, in satoshis.
pub(super) const SATOSHIS: u64 = 1;
/// The key id of the locking key and of the signature.
pub(super) const KEY_ID: &str = "1";
/// The protocol of that key: security level and name.
const PROTOCOL: (u8, &str) = (1, "messagebox advertisement");

/// The protocol in the wallet's format.
pub(super) fn wallet_protocol() -> WalletProtocol {
    let (security_level, name) = PROTOCOL;
    WalletProtocol {
        security_level,
        protocol: name.to_owned(),
    }
}

/// The counterparty of the key. Anyone can derive it and verify the signature.
pub(super) fn wallet_counterparty() -> WalletCounterparty {
    WalletCounterparty {
        counterparty_type: CounterpartyType::Anyone,
        public_key: None,
    }
}

/// An output that advertises a host for an identity, signed by the identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertisement {
    pub identity_key: IdentityKey,
    /// The host as it was written.
    pub host: String,
    /// Hexadecimal, in display order.
    pub txid: String,
    pub output_index: u32,
    pub(super) satoshis: u64,
    pub(super) script: Vec<u8>,
    /// The transaction with its proofs, as an `AtomicBEEF`.
    pub(super) beef: Vec<u8>,
}

impl Advertisement {
    /// The outpoint in the wallet's format: `txid.index`.
    #[must_use]
    pub fn outpoint(&self) -> String {
        format!("{}.{}", self.txid, self.output_index)
    }

    /// The advertisements of `identity` among these outputs.
    ///
    /// An answer without transaction ids means every output at its index that nothing in the BEEF spends. The bytes are untrusted:
    /// unreadable outputs, and outputs without the identity's signature, are skipped.
    pub(super) fn read(identity: &IdentityKey, outputs: &Outputs) -> Vec<Self> {
        if check_any_layout(&outputs.beef).is_err() {
            return Vec::new();
        }
        Beef::from_binary(&mut Cursor::new(&outputs.beef))
            .map(|beef| Self::within(identity, &beef, &outputs.named))
            .unwrap_or_default()
    }

    /// As `read`, for a parsed BEEF.
    fn within(identity: &IdentityKey, beef: &Beef, named: &[OutputRef]) -> Vec<Self> {
        let spent: HashSet<(&str, u32)> = beef
            .txs
            .iter()
            .filter_map(|entry| entry.tx.as_ref())
            .flat_map(|transaction| &transaction.inputs)
            .filter_map(|input| Some((input.source_txid.as_deref()?, input.source_output_index)))
            .collect();
        let is_meant = |entry: &BeefTx, named: &OutputRef| match named
            .txid
            .as_ref()
            .or(beef.atomic_txid.as_ref())
        {
            Some(txid) => entry.txid == *txid,
            None => !spent.contains(&(entry.txid.as_str(), named.index)),
        };
        named
            .iter()
            .flat_map(|named| {
                let meant = beef.txs.iter().filter(|entry| is_meant(entry, named));
                meant.filter_map(|entry| Self::of(identity, beef, entry, named.index))
            })
            .collect()
    }

    /// The advertisement at an outpoint, if it belongs to `identity`.
    pub(super) fn at(identity: &IdentityKey, beef: &Beef, outpoint: &str) -> Option<Self> {
        let (txid, output_index) = outpoint.split_once('.')?;
        let entry = beef.find_txid(txid)?;
        Self::of(identity, beef, entry, output_index.parse().ok()?)
    }

    fn of(identity: &IdentityKey, beef: &Beef, entry: &BeefTx, output_index: u32) -> Option<Self> {
        let outputs = &entry.tx.as_ref()?.outputs;
        let output = outputs.get(usize::try_from(output_index).ok()?)?;
        let host = advertised_host(identity, &output.locking_script)?;
        Some(Self {
            identity_key: *identity,
            host,
            txid: entry.txid.clone(),
            output_index,
            satoshis: output.satoshis.unwrap_or(SATOSHIS),
            script: output.locking_script.to_binary(),
            beef: beef.to_binary_atomic(&entry.txid).ok()?,
        })
    }
}

/// The fields before the signature: the identity key and the host.
pub(super) fn fields(identity: &IdentityKey, host: &AdvertisedHost) -> Vec<Vec<u8>> {
    vec![identity.as_bytes().to_vec(), host.to_string().into_bytes()]
}

/// The host that a script advertises for `identity`, if the signature is valid.
fn advertised_host(identity: &IdentityKey, script: &LockingScript) -> Option<String> {
    let mut fields = push_drop::decode(script).ok()?.fields;
    let signature = fields.pop()?;
    let is_of_identity = fields.first()? == identity.as_bytes();
    if !is_of_identity || !is_signed(identity, &fields.concat(), &signature) {
        return None;
    }
    let host = String::from_utf8(fields.get(1)?.clone()).ok()?;
    (!host.trim().is_empty()).then_some(host)
}

fn is_signed(identity: &IdentityKey, data: &[u8], signature: &[u8]) -> bool {
    let (level, name) = PROTOCOL;
    let pair = Identity::anyone().and_then(|anyone| anyone.pair(Counterparty::Other(*identity)));
    let (Ok(protocol), Ok(pair)) = (Protocol::new(level, name), pair) else {
        return false;
    };
    pair.verify(&protocol, KeyId::One(KEY_ID), &sha256(data), signature)
        .is_ok()
}

#[cfg(test)]
mod tests;
