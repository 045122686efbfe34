//! Advertisements made by the published SDK, and outputs that are no advertisements.

use bsv::transaction::{Transaction, TransactionInput, TransactionOutput};

use super::*;
use crate::minting::Mint;

/// An advertisement of private key 0b for `https://box.example.org`, made by `@bsv/sdk` 2.1.0.
const SCRIPT: &str = "21035542f4415b76279ea5cd7f4ec02cbed0d2666f425251c393de4d27688fe5727eac2103774ae7f858a9411e5ef4246b70c65aac5649980be5c17891bbec17895da008cb1768747470733a2f2f626f782e6578616d706c652e6f7267463044022020d2ebd40293b7e31afd605a354619f35acf0c1e3b75ee3c6459d7609c7b5a69022073bd44fcb63e0f338d6f495d491706c095c9a1172544676beb529888b44c52356d75";
const HOST: &str = "https://box.example.org";
/// Bytes before the BEEF in an `AtomicBEEF`.
const PREFIX: usize = 36;

fn identity() -> IdentityKey {
    let key = Identity::from_hex(&format!("{:064x}", 11)).unwrap();
    key.identity_key()
}

fn script() -> Vec<u8> {
    hex::decode(SCRIPT).unwrap()
}

/// An `AtomicBEEF` whose first output has this script.
fn locked_by(script: Vec<u8>) -> Vec<u8> {
    Mint::new().pay(&[(script, 1)])
}

fn read(beef: &[u8]) -> Vec<Advertisement> {
    read_for(&identity(), beef, None, 0)
}

fn read_for(
    identity: &IdentityKey,
    beef: &[u8],
    txid: Option<&str>,
    index: u32,
) -> Vec<Advertisement> {
    let named = OutputRef {
        txid: txid.map(str::to_owned),
        index,
    };
    let outputs = Outputs {
        beef: beef.to_vec(),
        named: vec![named],
    };
    Advertisement::read(identity, &outputs)
}

#[test]
fn what_the_published_sdk_makes_is_read() {
    let atomic = locked_by(script());
    let [found] = read(&atomic).try_into().unwrap();
    assert_eq!((found.host.as_str(), found.satoshis), (HOST, 1));
    assert_eq!((found.identity_key, &found.script), (identity(), &script()));
    let beef = Beef::from_binary(&mut Cursor::new(&atomic)).unwrap();
    assert_eq!(Some(&found.txid), beef.atomic_txid.as_ref());
    assert_eq!(found.outpoint(), format!("{}.0", found.txid));
    // With and without the prefix, and by its outpoint.
    assert_eq!(read(&atomic[PREFIX..]), std::slice::from_ref(&found));
    let at = Advertisement::at(&identity(), &beef, &found.outpoint());
    assert_eq!(at, Some(found));
    // Its fields are those that are pushed to make it.
    let host: AdvertisedHost = HOST.parse().unwrap();
    let pushed = push_drop::decode(&LockingScript::from_binary(&script())).unwrap();
    assert_eq!(pushed.fields[..2], fields(&identity(), &host));
}

#[test]
fn only_what_the_identity_has_signed_is_an_advertisement() {
    // Another host, another signature, another identity.
    for wrong in [75, 150, 40] {
        let mut script = script();
        script[wrong] ^= 1;
        assert_eq!(read(&locked_by(script)), [], "{wrong}");
    }
    let other = Identity::random().identity_key();
    let atomic = locked_by(script());
    assert_eq!(read_for(&other, &atomic, None, 0), []);
    // Another output, and no output.
    for index in [1, 2, u32::MAX] {
        assert_eq!(read_for(&identity(), &atomic, None, index), []);
    }
    for text in ["", "0.0", "x.x", "x"] {
        let beef = Beef::from_binary(&mut Cursor::new(&atomic)).unwrap();
        assert_eq!(Advertisement::at(&identity(), &beef, text), None);
    }
}

#[test]
fn bytes_that_are_no_beef_are_no_advertisement() {
    let atomic = locked_by(script());
    for end in 0..atomic.len() {
        assert_eq!(read(&atomic[..end]), [], "{end}");
    }
    // A count of transactions that exceeds any memory.
    assert_eq!(
        read(&hex::decode("0100beef00ffffffffffffffffff").unwrap()),
        []
    );
}

#[test]
fn of_one_beef_for_several_what_nothing_spends_is_meant() {
    let (spent, stands) = (locked_by(script()), locked_by(script()));
    let [spent] = read(&spent).try_into().unwrap();
    let [stands] = read(&stands).try_into().unwrap();
    let mut spender = Transaction::new();
    spender
        .add_input(TransactionInput {
            source_txid: Some(spent.txid.clone()),
            source_output_index: 0,
            ..TransactionInput::default()
        })
        .unwrap();
    spender
        .add_output(TransactionOutput {
            satoshis: Some(1),
            locking_script: LockingScript::from_binary(&[0x51]),
            change: false,
        })
        .unwrap();
    let mut beef = Beef::from_binary(&mut Cursor::new(&spent.beef)).unwrap();
    beef.atomic_txid = None;
    beef.merge_beef_from_binary(&stands.beef).unwrap();
    let mut both = Vec::new();
    beef.to_binary(&mut both).unwrap();
    let mut found = read(&both);
    found.sort_by_key(|one| one.txid == stands.txid);
    assert_eq!(found, [spent.clone(), stands.clone()]);
    // The answer may name the transaction.
    let meant = read_for(&identity(), &both, Some(&spent.txid), 0);
    assert_eq!(meant, std::slice::from_ref(&spent));
    beef.merge_transaction(&spender).unwrap();
    let mut spent_too = Vec::new();
    beef.to_binary(&mut spent_too).unwrap();
    assert_eq!(read(&spent_too), [stands]);
    // A named transaction wins.
    let named = beef.to_binary_atomic(&spent.txid).unwrap();
    assert_eq!(read(&named), [spent]);
}
