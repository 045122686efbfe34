//! Checks and decrypts received certificates, cheap checks first.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bsv::auth::certificates::certificate::AuthCertificate;
use bsv::primitives::public_key::PublicKey;
use bsv::primitives::symmetric_key::SymmetricKey;
use bsv::wallet::interfaces::{Certificate, CertificateType as SdkType, SerialNumber};
use bsv::wallet::proto_wallet::ProtoWallet;
use futures_util::FutureExt as _;
use secp256k1::ecdsa::Signature;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::auth::keys::{KeyId, PairKeys, Protocol};
use crate::ids::IdentityKey;
use crate::json_object::{self, JsonObjectError};

use super::{CertificateDemand, CertificateError, CertificateType};

/// Largest list of certificates in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// Maximum certificates of a list. Wallets present only the few that were demanded.
const MAX_CERTIFICATES: usize = 16;

/// Maximum fields of a certificate.
const MAX_FIELDS: usize = 64;

/// A valid certificate and its revealed fields.
#[derive(Clone, PartialEq, Eq)]
pub struct RevealedCertificate {
    certifier: IdentityKey,
    certificate_type: CertificateType,
    fields: BTreeMap<String, String>,
}

impl RevealedCertificate {
    /// The identity that vouches for the fields.
    #[must_use]
    pub const fn certifier(&self) -> IdentityKey {
        self.certifier
    }

    /// The type of the certificate.
    #[must_use]
    pub const fn certificate_type(&self) -> &CertificateType {
        &self.certificate_type
    }

    /// The demanded fields, by name.
    #[must_use]
    pub const fn fields(&self) -> &BTreeMap<String, String> {
        &self.fields
    }
}

/// Omits the values, which are personal data.
impl fmt::Debug for RevealedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevealedCertificate")
            .field("certifier", &self.certifier)
            .field("certificate_type", &self.certificate_type.as_str())
            .field("fields", &self.fields.keys())
            .finish()
    }
}

/// The fields revealed by the counterparty's certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevealedFields(Vec<RevealedCertificate>);

impl RevealedFields {
    /// The certificates in the order of the list. There is at least one.
    #[must_use]
    pub fn certificates(&self) -> &[RevealedCertificate] {
        &self.0
    }

    /// The values of a field in all certificates that reveal it.
    pub fn values(&self, field: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter_map(move |certificate| certificate.fields.get(field).map(String::as_str))
    }
}

/// A `VerifiableCertificate` on the wire.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(rename = "type")]
    certificate_type: String,
    serial_number: String,
    subject: String,
    certifier: String,
    revocation_outpoint: String,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    #[serde(default)]
    keyring: BTreeMap<String, String>,
    #[serde(default)]
    signature: String,
}

/// Checks everything except the rules. All certificates pass the cheap checks before the first signature is verified.
pub(super) fn verify(
    demand: &CertificateDemand,
    keys: &PairKeys,
    json: &str,
) -> Result<RevealedFields, CertificateError> {
    let checked = parse(json)?
        .into_iter()
        .map(|wire| Checked::new(wire, demand, keys))
        .collect::<Result<Vec<Checked>, _>>()?;
    let revealed = checked
        .into_iter()
        .map(|certificate| certificate.reveal(demand, keys));
    revealed.collect::<Result<_, _>>().map(RevealedFields)
}

fn parse(json: &str) -> Result<Vec<Wire>, CertificateError> {
    if json.len() > MAX_BYTES {
        return Err(CertificateError::Malformed("too many bytes"));
    }
    let list: Vec<&RawValue> = serde_json::from_str(json)
        .map_err(|_| CertificateError::Malformed("not a list of objects"))?;
    if list.is_empty() {
        return Err(CertificateError::NoneProvided);
    }
    if list.len() > MAX_CERTIFICATES {
        return Err(CertificateError::Malformed("too many certificates"));
    }
    let certificates = list.into_iter().map(|raw| {
        let wire: Wire = json_object::read(raw.get()).map_err(|error| {
            CertificateError::Malformed(match error {
                JsonObjectError::NotAnObject => "not a list of objects",
                JsonObjectError::Fields => "a field is missing or not text",
            })
        })?;
        if wire.fields.len() > MAX_FIELDS || wire.keyring.len() > MAX_FIELDS {
            return Err(CertificateError::Malformed("too many fields"));
        }
        Ok(wire)
    });
    certificates.collect()
}

/// A well-formed certificate of the right parties, with an entry for every demanded field. Its signature is not
/// verified yet.
struct Checked {
    certifier: IdentityKey,
    certificate_type: CertificateType,
    serial_number: String,
    signed: Certificate,
    keyring: BTreeMap<String, String>,
}

impl Checked {
    fn new(
        wire: Wire,
        demand: &CertificateDemand,
        keys: &PairKeys,
    ) -> Result<Self, CertificateError> {
        let key = |text: &str| {
            text.parse::<IdentityKey>()
                .map_err(|_| CertificateError::Malformed("not a key"))
        };
        let (subject, certifier) = (key(&wire.subject)?, key(&wire.certifier)?);
        if subject != keys.counterparty() {
            return Err(CertificateError::Subject);
        }
        if !demand.trusts(&certifier) {
            return Err(CertificateError::Certifier);
        }
        let certificate_type: CertificateType = wire
            .certificate_type
            .parse()
            .map_err(|_| CertificateError::Type)?;
        let demanded = demand
            .fields_of(&certificate_type)
            .ok_or(CertificateError::Type)?;
        let missing = demanded
            .iter()
            .find(|name| !wire.fields.contains_key(*name) || !wire.keyring.contains_key(*name));
        if let Some(name) = missing {
            return Err(CertificateError::NotRevealed(name.clone()));
        }
        let signature = hex::decode(&wire.signature).map_err(|_| CertificateError::Signature)?;
        Signature::from_der(&signature).map_err(|_| CertificateError::Signature)?;
        check_outpoint(&wire.revocation_outpoint)?;
        let signed = Certificate {
            cert_type: SdkType(bytes_32(&wire.certificate_type)?),
            serial_number: SerialNumber(bytes_32(&wire.serial_number)?),
            subject: public_key(&subject)?,
            certifier: public_key(&certifier)?,
            revocation_outpoint: Some(wire.revocation_outpoint),
            fields: Some(wire.fields.into_iter().collect()),
            signature: Some(signature),
        };
        Ok(Self {
            certifier,
            certificate_type,
            serial_number: wire.serial_number,
            signed,
            keyring: wire.keyring,
        })
    }

    /// Verifies the certifier's signature and decrypts the demanded fields.
    fn reveal(
        self,
        demand: &CertificateDemand,
        keys: &PairKeys,
    ) -> Result<RevealedCertificate, CertificateError> {
        // A certificate is signed for anyone, so verification needs no key of this side. The future never waits.
        let anyone = ProtoWallet::anyone();
        let verified = AuthCertificate::verify(&self.signed, &anyone).now_or_never();
        if !matches!(verified, Some(Ok(true))) {
            return Err(CertificateError::Signature);
        }
        let demanded = demand.fields_of(&self.certificate_type);
        let fields = demanded.into_iter().flatten().map(|name| {
            let value = self.decrypt(name, keys);
            let value = value.ok_or_else(|| CertificateError::Undecryptable(name.clone()))?;
            Ok((name.clone(), value))
        });
        Ok(RevealedCertificate {
            fields: fields.collect::<Result<_, CertificateError>>()?,
            certifier: self.certifier,
            certificate_type: self.certificate_type,
        })
    }

    /// The keyring contains the field's key, which the subject encrypted for this side (BRC-53). This side's key stays
    /// with libsecp256k1, whose arithmetic takes constant time.
    fn decrypt(&self, name: &str, keys: &PairKeys) -> Option<String> {
        let encrypted_key = STANDARD.decode(self.keyring.get(name)?).ok()?;
        let encrypted = self.signed.fields.as_ref()?.get(name)?;
        let encrypted = STANDARD.decode(encrypted).ok()?;
        let key_id = KeyId::Pair(&self.serial_number, name);
        let shared = keys
            .symmetric_key(&Protocol::CERTIFICATE_FIELD, key_id)
            .ok()?;
        let short = symmetric_key(&shared)?.decrypt(&encrypted_key).ok()?;
        let value = symmetric_key(&short)?.decrypt(&encrypted).ok()?;
        String::from_utf8(value).ok()
    }
}

/// A 32-byte key. The SDKs in use omit leading zeros.
fn symmetric_key(short: &[u8]) -> Option<SymmetricKey> {
    let mut key = [0; 32];
    let start = key.len().checked_sub(short.len())?;
    key.get_mut(start..)?.copy_from_slice(short);
    SymmetricKey::from_bytes(&key).ok()
}

/// Accepts a transaction id, with or without an output number. Any other text would be signed as other bytes than it
/// seems: the following fields could be moved into it.
fn check_outpoint(text: &str) -> Result<(), CertificateError> {
    let (transaction, output) = match text.split_once('.') {
        Some((transaction, output)) => (transaction, Some(output)),
        None => (text, None),
    };
    let is_id = transaction.len() == 64 && transaction.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_number = |number: &str| {
        number.bytes().all(|byte| byte.is_ascii_digit()) && number.parse::<u32>().is_ok()
    };
    if is_id && output.is_none_or(is_number) {
        Ok(())
    } else {
        Err(CertificateError::Malformed("not a revocation outpoint"))
    }
}

fn bytes_32(text: &str) -> Result<[u8; 32], CertificateError> {
    let bytes = STANDARD.decode(text).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(CertificateError::Malformed("not the base64 of 32 bytes"))
}

fn public_key(key: &IdentityKey) -> Result<PublicKey, CertificateError> {
    PublicKey::from_der_bytes(key.as_bytes()).map_err(|_| CertificateError::Malformed("not a key"))
}
