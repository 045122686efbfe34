//! Encryption between two parties (BRC-2): AES-256-GCM under a key that both derive.

use bsv::primitives::symmetric_key::SymmetricKey;

use crate::auth::error::{AuthError, KeyError};

use super::{KeyId, PairKeys, Protocol};

impl PairKeys {
    /// Encrypts for the counterparty. The result is a 32-byte initialisation vector, the ciphertext, and a 16-byte tag.
    ///
    /// # Errors
    /// [`KeyError::Derivation`].
    pub fn encrypt(
        &self,
        protocol: &Protocol,
        key_id: KeyId<'_>,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        let key = self.cipher(protocol, key_id)?;
        // Encryption fails only for keys of another length.
        key.encrypt(plaintext).map_err(|_| KeyError::Derivation)
    }

    /// Decrypts data that either party encrypted for the other.
    ///
    /// # Errors
    /// [`AuthError::Undecryptable`] if the data was encrypted under another key, or modified.
    pub fn decrypt(
        &self,
        protocol: &Protocol,
        key_id: KeyId<'_>,
        ciphertext: &[u8],
    ) -> Result<Vec<u8>, AuthError> {
        let key = self.cipher(protocol, key_id)?;
        key.decrypt(ciphertext)
            .map_err(|_| AuthError::Undecryptable)
    }

    fn cipher(&self, protocol: &Protocol, key_id: KeyId<'_>) -> Result<SymmetricKey, KeyError> {
        let key = self.symmetric_key(protocol, key_id)?;
        SymmetricKey::from_bytes(&key).map_err(|_| KeyError::Derivation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Counterparty, Identity};

    const KEY_ID: KeyId<'_> = KeyId::One("1");

    fn pairs() -> (PairKeys, PairKeys) {
        let (alice, bob) = (Identity::random(), Identity::random());
        let with = |other: &Identity| Counterparty::Other(other.identity_key());
        (
            alice.pair(with(&bob)).unwrap(),
            bob.pair(with(&alice)).unwrap(),
        )
    }

    #[test]
    fn both_parties_can_read_what_either_has_encrypted() {
        let (alice, bob) = pairs();
        for text in ["", "h", "sixteen bytes!!!", &"é".repeat(1000)] {
            let encrypted = alice
                .encrypt(&Protocol::MESSAGE_BOX, KEY_ID, text.as_bytes())
                .unwrap();
            assert_eq!(encrypted.len(), 32 + text.len() + 16);
            for reader in [&alice, &bob] {
                let read = reader.decrypt(&Protocol::MESSAGE_BOX, KEY_ID, &encrypted);
                assert_eq!(read.unwrap(), text.as_bytes());
            }
        }
    }

    #[test]
    fn nobody_else_can_and_nothing_may_change() {
        let (alice, bob) = pairs();
        let protocol = Protocol::MESSAGE_BOX;
        let encrypted = alice.encrypt(&protocol, KEY_ID, b"hello").unwrap();
        let undecryptable = Err(AuthError::Undecryptable);
        assert_eq!(
            pairs().0.decrypt(&protocol, KEY_ID, &encrypted),
            undecryptable
        );
        let other_id = KeyId::One("2");
        assert_eq!(bob.decrypt(&protocol, other_id, &encrypted), undecryptable);
        for at in 0..encrypted.len() {
            let mut changed = encrypted.clone();
            changed[at] ^= 1;
            assert_eq!(
                bob.decrypt(&protocol, KEY_ID, &changed),
                undecryptable,
                "{at}"
            );
        }
        for length in [0, 47] {
            let cut = &encrypted[..length];
            assert_eq!(bob.decrypt(&protocol, KEY_ID, cut), undecryptable);
        }
    }

    /// `wallet.encrypt` of `hello €` by `@bsv/sdk` 2.1.0, with private keys 11 and 5.
    #[test]
    fn what_the_published_wallet_has_encrypted_is_read() {
        let server = Identity::from_hex(&format!("{:064x}", 5)).unwrap();
        let client = Identity::from_hex(&format!("{:064x}", 11)).unwrap();
        let keys = server
            .pair(Counterparty::Other(client.identity_key()))
            .unwrap();
        let encrypted = hex::decode(GOLDEN).unwrap();
        let read = keys.decrypt(&Protocol::MESSAGE_BOX, KEY_ID, &encrypted);
        assert_eq!(read.unwrap(), "hello €".as_bytes());
    }

    const GOLDEN: &str = "fc025b1c0c51e40da5f4cb37591689ecb1adbbe9e9af6f6ffd5668054ef9884b560047eb614945e61ec17a91add5751046b0fc8f20d5802490";
}
