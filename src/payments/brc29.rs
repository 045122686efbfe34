//! Checks that an output pays a party: BRC-29 derives the party's key, and the script is P2PKH.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bsv::primitives::hash::hash160;

use crate::auth::{Counterparty, Identity, KeyError, KeyId, Protocol};
use crate::ids::IdentityKey;

/// The protocol name of BRC-29.
const PROTOCOL: &str = "3241645161d8";
/// Maximum bytes of a key id, which is both parts and a space (BRC-43).
const MAX_KEY_ID: usize = 800;

/// The inputs of a payment key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derivation {
    /// The first part of the key id.
    pub prefix: String,
    /// The second part of the key id.
    pub suffix: String,
    /// The counterparty of the payee's key.
    pub sender: IdentityKey,
}

/// Decodes base64 text if it is the canonical encoding of its bytes. Wallets store the bytes and derive from their own
/// encoding.
pub(super) fn canonical_base64(text: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(text).ok()?;
    (STANDARD.encode(&bytes) == text).then_some(bytes)
}

impl Derivation {
    /// Whether a wallet can derive the same key.
    pub(super) fn is_for_wallets(&self) -> bool {
        canonical_base64(&self.prefix).is_some() && canonical_base64(&self.suffix).is_some()
    }
}

/// Derives payment keys on behalf of the server.
#[derive(Debug)]
pub struct PaymentKeys<'a> {
    server: &'a Identity,
    anyone: Identity,
}

impl<'a> PaymentKeys<'a> {
    /// # Errors
    /// [`KeyError`] never in practice.
    pub fn new(server: &'a Identity) -> Result<Self, KeyError> {
        Ok(Self {
            server,
            anyone: Identity::anyone()?,
        })
    }

    /// The script that pays `payee` under this derivation. Returns `None` if the server cannot derive it. Only two
    /// parties know the key that they share, but anyone knows the key that a recipient shares with `anyone`.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn script(
        &self,
        payee: &IdentityKey,
        derivation: &Derivation,
    ) -> Result<Option<Vec<u8>>, KeyError> {
        let Derivation {
            prefix,
            suffix,
            sender,
        } = derivation;
        if prefix.is_empty() || suffix.is_empty() || prefix.len() + suffix.len() >= MAX_KEY_ID {
            return Err(KeyError::Derivation);
        }
        let protocol = Protocol::new(2, PROTOCOL)?;
        let key_id = KeyId::Pair(prefix, suffix);
        let key = if *payee == self.server.identity_key() {
            let pair = self.server.pair(Counterparty::Other(*sender))?;
            pair.own_key(&protocol, key_id)?
        } else if *sender == self.anyone.identity_key() {
            let pair = self.anyone.pair(Counterparty::Other(*payee))?;
            pair.counterparty_key(&protocol, key_id)?
        } else {
            return Ok(None);
        };
        Ok(Some(p2pkh(&key.serialize())))
    }
}

/// `OP_DUP OP_HASH160 <hash> OP_EQUALVERIFY OP_CHECKSIG`.
fn p2pkh(public_key: &[u8]) -> Vec<u8> {
    let hash = hash160(public_key);
    let mut script = Vec::with_capacity(25);
    script.extend([0x76, 0xa9, 0x14]);
    script.extend(hash);
    script.extend([0x88, 0xac]);
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_vector_derives() {
        let key = |byte| {
            let mut bytes = [0; 32];
            bytes[31] = byte;
            Identity::from_bytes(bytes).unwrap()
        };
        // The payer 0b derives the key of the server 05 with key id "p s".
        let (server, payer) = (key(0x05), key(0x0b));
        let derivation = Derivation {
            prefix: "p".into(),
            suffix: "s".into(),
            sender: payer.identity_key(),
        };
        let expected =
            hex::decode("03f2979be1eda47b43c7644c27d0f62b33558681a3f39eef26dd7b473e4ef1b603");
        let keys = PaymentKeys::new(&server).unwrap();
        let script = keys.script(&server.identity_key(), &derivation).unwrap();
        assert_eq!(script, Some(p2pkh(&expected.unwrap())));
        // The server cannot know what two other parties share.
        let recipient = key(0x07).identity_key();
        assert_eq!(keys.script(&recipient, &derivation), Ok(None));
        let for_anyone = Derivation {
            sender: key(1).identity_key(),
            ..derivation
        };
        let script = keys.script(&recipient, &for_anyone).unwrap().unwrap();
        let own = key(0x07).pair(Counterparty::Anyone).unwrap();
        let protocol = Protocol::new(2, PROTOCOL).unwrap();
        let public = own.own_key(&protocol, KeyId::Pair("p", "s")).unwrap();
        assert_eq!(script, p2pkh(&public.serialize()));
    }
}
