//! Certificates issued by the SDK, and every way in which they can be wrong.

use bsv::auth::certificates::certificate::AuthCertificate;
use bsv::auth::certificates::master::{MasterCertificate, default_get_revocation_outpoint};
use bsv::primitives::private_key::PrivateKey;
use bsv::primitives::public_key::PublicKey;
use bsv::primitives::symmetric_key::SymmetricKey;
use bsv::wallet::interfaces::{Certificate, CertificateType as SdkType, SerialNumber};
use bsv::wallet::proto_wallet::ProtoWallet;
use futures_util::FutureExt as _;
use serde_json::{Value, json};

use super::*;
use crate::auth::{Counterparty, Identity, KeyId, Protocol};

const CERTIFIER: u8 = 9;
const SERVER: u8 = 5;
const CLIENT: u8 = 11;

fn secret(last_byte: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[31] = last_byte;
    bytes
}

fn identity(last_byte: u8) -> Identity {
    Identity::from_bytes(secret(last_byte)).unwrap()
}

fn wallet(last_byte: u8) -> ProtoWallet {
    ProtoWallet::new(PrivateKey::from_bytes(&secret(last_byte)).unwrap())
}

fn public(last_byte: u8) -> PublicKey {
    PublicKey::from_der_bytes(identity(last_byte).identity_key().as_bytes()).unwrap()
}

fn type_of(byte: u8) -> CertificateType {
    STANDARD.encode([byte; 32]).parse().unwrap()
}

/// A certificate of `certifier` for `subject`, as that one shows it to `verifier`.
fn certificate(
    parties: (u8, u8, u8),
    type_byte: u8,
    fields: &[(&str, &str)],
    reveal: &[&str],
) -> Value {
    let (certifier, subject, verifier) = parties;
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let master = MasterCertificate::issue_certificate_for_subject(
        &SdkType([type_byte; 32]),
        &public(subject),
        fields.iter().map(own).collect(),
        &wallet(certifier),
        default_get_revocation_outpoint,
        None,
    )
    .now_or_never()
    .unwrap()
    .unwrap();
    let reveal: Vec<String> = reveal.iter().map(|name| (*name).to_owned()).collect();
    let keyring = master
        .create_keyring_for_verifier(
            &public(verifier),
            &reveal,
            &public(certifier),
            &wallet(subject),
        )
        .now_or_never()
        .unwrap()
        .unwrap();
    let mut json = serde_json::to_value(&master.certificate).unwrap();
    json["keyring"] = serde_json::to_value(keyring).unwrap();
    json
}

fn alice() -> Value {
    let fields = [("name", "Alice"), ("Email", "a@example.com"), ("age", "30")];
    certificate((CERTIFIER, CLIENT, SERVER), 1, &fields, &["name", "Email"])
}

fn demand(rules: &[&str]) -> CertificateDemand {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    CertificateDemand::new(
        BTreeSet::from([identity(CERTIFIER).identity_key()]),
        BTreeMap::from([
            (type_of(1), names(&["name", "Email"])),
            (type_of(2), names(&["role"])),
        ]),
        rules.iter().map(|rule| rule.parse().unwrap()).collect(),
    )
    .unwrap()
}

fn verify(demand: &CertificateDemand, json: &Value) -> Result<RevealedFields, CertificateError> {
    let client = Counterparty::Other(identity(CLIENT).identity_key());
    let keys = identity(SERVER).pair(client).unwrap();
    demand.verify(&keys, &json.to_string())
}

fn refused(json: &Value) -> CertificateError {
    verify(&demand(&[]), json).unwrap_err()
}

/// Alice's certificate with a change that her certifier has not signed.
fn changed(change: impl FnOnce(&mut Value)) -> CertificateError {
    let mut certificate = alice();
    change(&mut certificate);
    refused(&json!([certificate]))
}

#[test]
fn what_is_asked_for_is_revealed_and_nothing_else() {
    let revealed = verify(&demand(&[]), &json!([alice()])).unwrap();
    let [certificate] = revealed.certificates() else {
        panic!("one certificate came");
    };
    assert_eq!(certificate.certifier(), identity(CERTIFIER).identity_key());
    assert_eq!(certificate.certificate_type(), &type_of(1));
    let fields: Vec<_> = certificate.fields().iter().collect();
    assert_eq!(
        fields,
        [
            (&"Email".to_owned(), &"a@example.com".to_owned()),
            (&"name".to_owned(), &"Alice".to_owned())
        ]
    );
    let shown = format!("{revealed:?}");
    assert!(
        shown.contains("Email") && !shown.contains("Alice"),
        "{shown}"
    );
}

#[test]
fn several_certificates_count_together_and_each_must_be_right() {
    let role = certificate(
        (CERTIFIER, CLIENT, SERVER),
        2,
        &[("role", "admin")],
        &["role"],
    );
    let both = json!([alice(), role]);
    let revealed = verify(&demand(&["name", "role=admin"]), &both).unwrap();
    assert_eq!(revealed.values("role").collect::<Vec<_>>(), ["admin"]);
    let foreign = certificate((7, CLIENT, SERVER), 2, &[("role", "admin")], &["role"]);
    assert_eq!(
        refused(&json!([alice(), foreign])),
        CertificateError::Certifier
    );
}

#[test]
fn parties_and_types_must_be_those_asked_for() {
    let of = |parties, type_byte| {
        let fields = [("name", "Alice"), ("Email", "x")];
        let reveal = ["name", "Email"];
        refused(&json!([certificate(parties, type_byte, &fields, &reveal)]))
    };
    assert_eq!(of((7, CLIENT, SERVER), 1), CertificateError::Certifier);
    assert_eq!(of((CERTIFIER, 12, SERVER), 1), CertificateError::Subject);
    assert_eq!(of((CERTIFIER, CLIENT, SERVER), 3), CertificateError::Type);
    // Made for another verifier, the keyring is of no use to us.
    assert_eq!(
        of((CERTIFIER, CLIENT, 6), 1),
        CertificateError::Undecryptable("Email".to_owned())
    );
}

#[test]
fn what_the_certifier_did_not_sign_is_refused() {
    use CertificateError::Signature;
    let other = alice();
    let value = other["fields"]["name"].clone();
    assert_eq!(changed(|json| json["fields"]["name"] = value), Signature);
    assert_eq!(
        changed(|json| json["fields"]["more"] = json!("")),
        Signature
    );
    let serial = other["serialNumber"].clone();
    assert_eq!(changed(|json| json["serialNumber"] = serial), Signature);
    let outpoint = json!(format!("{}.1", "00".repeat(32)));
    assert_eq!(
        changed(|json| json["revocationOutpoint"] = outpoint),
        Signature
    );
    let signature = other["signature"].clone();
    assert_eq!(changed(|json| json["signature"] = signature), Signature);
    for wrong in ["", "zz", "30", "3006020100020100", "30820101"] {
        assert_eq!(changed(|json| json["signature"] = json!(wrong)), Signature);
    }
    // Another certifier who claims to be the pinned one.
    let mut posing = certificate(
        (7, CLIENT, SERVER),
        1,
        &[("name", "Mallory"), ("Email", "x")],
        &["name", "Email"],
    );
    posing["certifier"] = json!(identity(CERTIFIER).identity_key().to_hex());
    assert_eq!(refused(&json!([posing])), Signature);
}

#[test]
fn an_outpoint_has_its_form_so_that_no_field_fits_into_it() {
    let certificate = certificate(
        (CERTIFIER, CLIENT, SERVER),
        2,
        &[("zone", "x"), ("role", "user")],
        &["role"],
    );
    let outpoint = certificate["revocationOutpoint"].as_str().unwrap();
    for text in [
        String::new(),
        format!("{outpoint}ff00"),
        format!("{outpoint}."),
        format!("{outpoint}.4294967296"),
        format!("{outpoint}.-1"),
        format!("{outpoint}.1e3"),
        format!("{outpoint}.1.2"),
        outpoint.replace('0', "g"),
    ] {
        let mut moved = certificate.clone();
        moved["revocationOutpoint"] = json!(text);
        assert!(
            matches!(refused(&json!([moved])), CertificateError::Malformed(_)),
            "{text}"
        );
    }
}

#[test]
fn every_field_asked_for_must_be_revealed_and_readable() {
    let hidden = CertificateError::NotRevealed("Email".to_owned());
    let fields = [("name", "Alice"), ("Email", "x")];
    let little = certificate((CERTIFIER, CLIENT, SERVER), 1, &fields, &["name"]);
    assert_eq!(refused(&json!([little])), hidden);
    let absent = certificate((CERTIFIER, CLIENT, SERVER), 1, &fields[..1], &["name"]);
    assert_eq!(refused(&json!([absent])), hidden);
    let garbled = CertificateError::Undecryptable("name".to_owned());
    for wrong in ["", "!", "AAAA", &STANDARD.encode([0; 80])] {
        let error = changed(|json| json["keyring"]["name"] = json!(wrong));
        assert_eq!(error, garbled, "{wrong}");
    }
    // The key of another field.
    let other = alice()["keyring"]["Email"].clone();
    assert_eq!(changed(|json| json["keyring"]["name"] = other), garbled);
}

#[test]
fn a_key_that_begins_with_zeros_may_come_without_them() {
    let mut field_key = [7; 32];
    field_key[0] = 0;
    let value = SymmetricKey::from_bytes(&field_key)
        .unwrap()
        .encrypt(b"admin");
    let mut signed = Certificate {
        cert_type: SdkType([2; 32]),
        serial_number: SerialNumber([3; 32]),
        subject: public(CLIENT),
        certifier: public(CERTIFIER),
        revocation_outpoint: Some("00".repeat(32)),
        fields: Some([("role".to_owned(), STANDARD.encode(value.unwrap()))].into()),
        signature: None,
    };
    AuthCertificate::sign(&mut signed, &wallet(CERTIFIER))
        .now_or_never()
        .unwrap()
        .unwrap();
    let server = Counterparty::Other(identity(SERVER).identity_key());
    let serial = STANDARD.encode([3; 32]);
    let shared = identity(CLIENT)
        .pair(server)
        .unwrap()
        .symmetric_key(&Protocol::CERTIFICATE_FIELD, KeyId::Pair(&serial, "role"));
    let shared = SymmetricKey::from_bytes(&shared.unwrap()).unwrap();
    let mut json = serde_json::to_value(&signed).unwrap();
    let mut check = |key: &[u8]| {
        json["keyring"] = json!({ "role": STANDARD.encode(shared.encrypt(key).unwrap()) });
        verify(&demand(&["role=admin"]), &json!([json])).map(|_| ())
    };
    assert_eq!(check(&field_key), Ok(()));
    assert_eq!(check(&field_key[1..]), Ok(()));
    let wrong = Err(CertificateError::Undecryptable("role".to_owned()));
    assert_eq!(check(&[7; 33]), wrong);
    assert_eq!(check(&[]), wrong);
}

#[test]
fn rules_hold_over_what_is_revealed() {
    let fields = |name| [("name", name), ("Email", "x")];
    let check = |name, rules: &[&str]| {
        let certificate = certificate(
            (CERTIFIER, CLIENT, SERVER),
            1,
            &fields(name),
            &["name", "Email"],
        );
        verify(&demand(rules), &json!([certificate])).map(|_| ())
    };
    let broken = Err(CertificateError::Requirement("name".to_owned()));
    assert_eq!(check("Alice", &["name", "name = Alice", "Email=x"]), Ok(()));
    assert_eq!(check(" ", &[]), Ok(()));
    assert_eq!(check(" ", &["Email", "name"]), broken);
    assert_eq!(check("Bob", &["name=Alice"]), broken);
    // Of a type that did not come, nothing is revealed.
    let role = Err(CertificateError::Requirement("role".to_owned()));
    assert_eq!(check("Alice", &["role"]), role);
}

#[test]
fn a_list_has_at_least_one_certificate_and_not_too_many() {
    assert_eq!(refused(&json!([])), CertificateError::NoneProvided);
    let malformed = |json: &Value| {
        let error = refused(json);
        assert!(matches!(error, CertificateError::Malformed(_)), "{error:?}");
    };
    for wrong in [
        json!({}),
        json!(null),
        json!("x"),
        json!([1]),
        json!([{}]),
        json!([[]]),
    ] {
        malformed(&wrong);
    }
    malformed(&json!(vec![alice(); 17]));
    // Its values in the order of the fields, without their names.
    let fields = [
        "type",
        "serialNumber",
        "subject",
        "certifier",
        "revocationOutpoint",
    ];
    let more = ["fields", "keyring", "signature"];
    let values = fields
        .iter()
        .chain(&more)
        .map(|field| alice()[field].clone());
    malformed(&json!([values.collect::<Vec<_>>()]));
    malformed(&json!(vec![Value::from("x".repeat(65_536))]));
    let many: BTreeMap<String, String> = (0..65).map(|n| (n.to_string(), String::new())).collect();
    for field in ["fields", "keyring"] {
        let mut wide = alice();
        wide[field] = serde_json::to_value(&many).unwrap();
        malformed(&json!([wide]));
    }
    for (field, wrong) in [
        ("subject", json!("02")),
        ("certifier", json!("zz")),
        ("serialNumber", json!("AAAA")),
        ("fields", json!({"name": 1})),
        ("revocationOutpoint", json!(null)),
    ] {
        let mut certificate = alice();
        certificate[field] = wrong;
        malformed(&json!([certificate]));
    }
}

#[test]
fn a_demand_is_written_as_a_handshake_asks_for_it() {
    let key = identity(CERTIFIER).identity_key().to_hex();
    let expected = json!({
        "certifiers": [key],
        "types": { type_of(1).as_str(): ["Email", "name"], type_of(2).as_str(): ["role"] },
    });
    let written: Value = serde_json::from_str(demand(&[]).json()).unwrap();
    assert_eq!(written, expected);
}

/// Clients of SDK 2.8 and later end a handshake that asks for more.
#[test]
fn a_demand_is_no_larger_than_clients_read() {
    let keys = |count| -> BTreeSet<_> {
        let keys = std::iter::repeat_with(|| Identity::random().identity_key());
        keys.take(count).collect()
    };
    let names = |count: usize, length: usize| -> BTreeSet<String> {
        (0..count).map(|n| format!("{n:0length$}")).collect()
    };
    let types = |count: u8, names: &BTreeSet<String>| {
        let types = (0..count).map(|byte| (type_of(byte), names.clone()));
        types.collect::<BTreeMap<_, _>>()
    };
    let new = |keys, types| CertificateDemand::new(keys, types, Vec::new());
    let one = names(1, 1);
    assert!(new(keys(100), types(100, &one)).is_ok());
    assert!(new(keys(1), types(1, &names(100, 50))).is_ok());
    for (keys, types, what) in [
        (keys(101), types(1, &one), "certifiers"),
        (keys(1), types(101, &one), "certificate types"),
        (
            keys(1),
            types(1, &names(101, 3)),
            "fields of a certificate type",
        ),
        (
            keys(1),
            types(13, &names(100, 50)),
            "bytes of certifiers, types and fields",
        ),
    ] {
        let refused = matches!(new(keys, types), Err(DemandError::TooMany { what: told, .. }) if told == what);
        assert!(refused, "{what}");
    }
}

#[test]
fn a_demand_that_nobody_could_fulfil_is_none() {
    let make = |certifier: Option<u8>, fields: Option<&str>, rule: Option<&str>| {
        CertificateDemand::new(
            certifier
                .map(|byte| identity(byte).identity_key())
                .into_iter()
                .collect(),
            fields
                .map(|name| (type_of(1), BTreeSet::from([name.to_owned()])))
                .into_iter()
                .collect(),
            rule.map(|rule| rule.parse().unwrap()).into_iter().collect(),
        )
        .map(|_| ())
    };
    assert_eq!(make(Some(9), Some("name"), Some("name=x")), Ok(()));
    assert_eq!(
        make(None, Some("name"), None),
        Err(DemandError::NoCertifiers)
    );
    assert_eq!(make(Some(9), None, None), Err(DemandError::NoTypes));
    assert_eq!(
        make(Some(9), Some("name"), Some("age")),
        Err(DemandError::RuleWithoutField("age".to_owned()))
    );
    for name in ["", "né", &"x".repeat(51)] {
        let error = Err(DemandError::FieldName(name.to_owned()));
        assert_eq!(make(Some(9), Some(name), None), error);
        assert!(name.parse::<FieldRule>().is_err(), "{name}");
    }
    for text in ["", "AAAA", "!", &STANDARD.encode([0; 33]), &"A".repeat(43)] {
        assert_eq!(text.parse::<CertificateType>(), Err(DemandError::Type));
    }
}
