//! Lists of certificates from an authenticated counterparty: a certificate that differs from what its certifier signed
//! reveals nothing.
//!
//! The seed is a certificate of the key 9 for the key 11, shown to the key 5. It reveals a name and an address.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use messagebox::auth::{CertificateDemand, Counterparty, Identity, PairKeys};
use messagebox_fuzz::memory;

fn identity(last_byte: u8) -> Identity {
    let mut secret = [0; 32];
    secret[31] = last_byte;
    Identity::from_bytes(secret).unwrap()
}

static DEMAND: LazyLock<CertificateDemand> = LazyLock::new(|| {
    let certifiers = BTreeSet::from([identity(9).identity_key()]);
    let of_type = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
        .parse()
        .unwrap();
    let fields = ["name", "Email"].map(str::to_owned).into();
    CertificateDemand::new(certifiers, BTreeMap::from([(of_type, fields)]), Vec::new()).unwrap()
});

static KEYS: LazyLock<PairKeys> = LazyLock::new(|| {
    let client = Counterparty::Other(identity(11).identity_key());
    identity(5).pair(client).unwrap()
});

fuzz_target!(|json: &str| {
    let (demand, keys) = (&*DEMAND, &*KEYS);
    match memory::within(json.len(), 64, || demand.verify(keys, json)) {
        Ok(revealed) => {
            assert!(!revealed.certificates().is_empty());
            for certificate in revealed.certificates() {
                assert_eq!(certificate.certifier(), identity(9).identity_key());
                let fields: Vec<_> = certificate
                    .fields()
                    .iter()
                    .map(|(name, value)| (&**name, &**value))
                    .collect();
                assert_eq!(fields, [("Email", "a@example.com"), ("name", "Alice")]);
            }
        }
        Err(error) => assert!(
            error.to_string().len() < 256,
            "little is repeated of what came"
        ),
    }
});
