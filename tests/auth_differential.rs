//! Compares keys, signatures, HMACs and nonces with those of `bsv-sdk`, over random inputs. Each run prints its seed.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail by panicking"
)]

use bsv::primitives::private_key::PrivateKey;
use bsv::wallet::key_deriver::KeyDeriver;
use bsv::wallet::proto_wallet::ProtoWallet;
use bsv::wallet::types::{
    Counterparty as TheirCounterparty, CounterpartyType, Protocol as TheirProtocol,
};
use messagebox::auth::{Counterparty, Identity, KeyId, PairKeys, Protocol, sha256};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

const CASES: usize = 1_000;

/// A party with its keys in both libraries.
struct Party {
    ours: Identity,
    secret: PrivateKey,
    theirs: ProtoWallet,
}

struct Cases(StdRng);

impl Cases {
    fn new(test: &str) -> Self {
        let seed = rand::random();
        println!("{test}: seed {seed}");
        Self(StdRng::seed_from_u64(seed))
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    fn party(&mut self) -> Party {
        let mut bytes: [u8; 32] = self.bytes();
        // Implementations differ in leading zeros.
        if self.0.random_ratio(1, 8) {
            let zeros = self.0.random_range(1..20);
            bytes.iter_mut().take(zeros).for_each(|byte| *byte = 0);
        }
        let secret = PrivateKey::from_bytes(&bytes).unwrap();
        Party {
            ours: Identity::from_bytes(bytes).unwrap(),
            theirs: ProtoWallet::new(secret.clone()),
            secret,
        }
    }

    fn protocol(&mut self) -> (Protocol, TheirProtocol) {
        let level = self.0.random_range(0..=2);
        let length = self.0.random_range(5..40);
        let name: String = (0..length)
            .map(|_| char::from(b'a' + self.0.random_range(0..26_u8)))
            .collect();
        let ours = Protocol::new(level, &name).unwrap();
        let theirs = TheirProtocol {
            security_level: level,
            protocol: name,
        };
        (ours, theirs)
    }

    fn key_id(&mut self) -> String {
        let length = self.0.random_range(1..100);
        (0..length)
            .map(|_| self.0.random_range('!'..'\u{2fff}'))
            .collect()
    }

    fn data(&mut self) -> Vec<u8> {
        let mut data = vec![0; self.0.random_range(0..600)];
        self.0.fill_bytes(&mut data);
        data
    }
}

fn other(party: &Party) -> TheirCounterparty {
    TheirCounterparty {
        counterparty_type: CounterpartyType::Other,
        public_key: Some(party.secret.to_public_key()),
    }
}

fn own() -> TheirCounterparty {
    TheirCounterparty {
        counterparty_type: CounterpartyType::Self_,
        public_key: None,
    }
}

fn pair(party: &Party, counterparty: &Party) -> PairKeys {
    party
        .ours
        .pair(Counterparty::Other(counterparty.ours.identity_key()))
        .unwrap()
}

#[test]
fn derived_keys_are_equal() {
    let mut cases = Cases::new("keys");
    for _ in 0..CASES {
        let (one, two) = (cases.party(), cases.party());
        let ((ours, theirs), key_id) = (cases.protocol(), cases.key_id());
        let keys = pair(&one, &two);
        let deriver = KeyDeriver::new(one.secret.clone());
        let private = deriver
            .derive_private_key(&theirs, &key_id, &other(&two))
            .unwrap();
        let child = keys.private_key(&ours, KeyId::One(&key_id)).unwrap();
        assert_eq!(child.secret_bytes().to_vec(), private.to_bytes());
        let public = deriver
            .derive_public_key(&theirs, &key_id, &other(&two), false)
            .unwrap();
        let child = keys.counterparty_key(&ours, KeyId::One(&key_id)).unwrap();
        assert_eq!(child.serialize().to_vec(), public.to_der());
    }
}

#[test]
fn signatures_verify_both_ways() {
    let mut cases = Cases::new("signatures");
    for _ in 0..CASES {
        let (signer, verifier) = (cases.party(), cases.party());
        let ((ours, theirs), key_id, data) = (cases.protocol(), cases.key_id(), cases.data());
        let key_id = KeyId::One(&key_id);
        let KeyId::One(text) = key_id else { continue };
        let digest = sha256(&data);
        let made = pair(&signer, &verifier)
            .sign(&ours, key_id, &digest)
            .unwrap();
        let accepted = verifier
            .theirs
            .verify_signature_sync(
                Some(&data),
                None,
                &made,
                &theirs,
                text,
                &other(&signer),
                false,
            )
            .unwrap();
        assert!(accepted, "bsv-sdk refuses our signature");
        let made = signer
            .theirs
            .create_signature_sync(Some(&data), None, &theirs, text, &other(&verifier))
            .unwrap();
        let keys = pair(&verifier, &signer);
        keys.verify(&ours, key_id, &digest, &made)
            .expect("we refuse the signature of bsv-sdk");
        let mut forged = digest;
        forged[0] ^= 1;
        assert!(keys.verify(&ours, key_id, &forged, &made).is_err());
    }
}

#[test]
fn hmacs_are_equal() {
    let mut cases = Cases::new("hmacs");
    for _ in 0..CASES {
        let (one, two) = (cases.party(), cases.party());
        let ((ours, theirs), key_id, data) = (cases.protocol(), cases.key_id(), cases.data());
        let made = pair(&one, &two)
            .hmac(&ours, KeyId::One(&key_id), &data)
            .unwrap();
        let expected = one
            .theirs
            .create_hmac_sync(&data, &theirs, &key_id, &other(&two))
            .unwrap();
        assert_eq!(made.to_vec(), expected);
        let made = one
            .ours
            .pair(Counterparty::Own)
            .unwrap()
            .hmac(&ours, KeyId::One(&key_id), &data)
            .unwrap();
        let expected = one
            .theirs
            .create_hmac_sync(&data, &theirs, &key_id, &own())
            .unwrap();
        assert_eq!(made.to_vec(), expected);
    }
}

#[actix::test]
async fn nonces_of_each_are_accepted_by_the_other() {
    use bsv::auth::utils::nonce::{create_nonce, verify_nonce};
    let mut cases = Cases::new("nonces");
    for _ in 0..CASES {
        let party = cases.party();
        let nonce = party.ours.create_nonce(cases.bytes()).unwrap();
        assert!(
            verify_nonce(&party.theirs, &nonce).await.unwrap(),
            "bsv-sdk refuses {nonce}"
        );
        let nonce = create_nonce(&party.theirs).await.unwrap();
        assert_eq!(party.ours.verify_nonce(&nonce), Ok(()), "we refuse {nonce}");
    }
}
