//! Certificates that the counterparty must present (BRC-103 §6.4, BRC-52, BRC-53).

mod received;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::ids::{IdentityKey, IdentityKeyError};

use super::keys::PairKeys;

pub use received::{RevealedCertificate, RevealedFields};

/// Longest field name in a certificate (BRC-52).
const MAX_FIELD_NAME: usize = 50;

/// The type of a certificate: 32 bytes, written in base64.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateType(String);

impl CertificateType {
    /// The type in base64, as certificates contain it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CertificateType {
    type Err = DemandError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match STANDARD.decode(text) {
            Ok(bytes) if bytes.len() == 32 => Ok(Self(text.to_owned())),
            _ => Err(DemandError::Type),
        }
    }
}

impl Serialize for CertificateType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A rule for a revealed field, written `name` (not blank) or `name=value` (equal).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldRule {
    name: String,
    value: Option<String>,
}

impl FieldRule {
    /// The name of the field that the rule is about.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn holds(&self, fields: &RevealedFields) -> bool {
        fields.values(&self.name).any(|found| match &self.value {
            Some(value) => found == value,
            None => !found.trim().is_empty(),
        })
    }
}

impl FromStr for FieldRule {
    type Err = DemandError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.trim().to_owned())),
            None => (text, None),
        };
        let name = name.trim().to_owned();
        check_field_name(&name)?;
        Ok(Self { name, value })
    }
}

/// Maximum certifiers, types, and fields of a type that clients of SDK 2.8 and later accept.
const MAX_DEMANDED: usize = 100;
/// Largest `x-bsv-auth-requested-certificates` in bytes that they accept (64 KiB before 2.8.5).
const MAX_DEMAND_BYTES: usize = 64 * 1024;

/// Why a demand for certificates is invalid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DemandError {
    /// The demand names no certifier.
    #[error("certificate types need certifiers")]
    NoCertifiers,
    /// The demand names no certificate type.
    #[error("certifiers need certificate types")]
    NoTypes,
    /// The text is not a certificate type.
    #[error("a certificate type is the base64 of 32 bytes")]
    Type,
    /// The text is not the identity key of a certifier.
    #[error(transparent)]
    Certifier(#[from] IdentityKeyError),
    /// The text is not a valid field name.
    #[error("a field's name is 1 to 50 printable ASCII characters, not {0:?}")]
    FieldName(String),
    /// The demand exceeds what the strictest clients accept.
    #[error("clients read at most {max} {what}")]
    TooMany {
        /// The part that is too large: certifiers, types, fields of a type, or bytes of the whole demand.
        what: &'static str,
        /// The limit of that part.
        max: usize,
    },
    /// A rule is about a field that no type reveals.
    #[error("no certificate type reveals the field {0:?}")]
    RuleWithoutField(String),
}

/// Names travel in an HTTP header, and only ASCII names sort alike everywhere.
fn check_field_name(name: &str) -> Result<(), DemandError> {
    let fits = (1..=MAX_FIELD_NAME).contains(&name.len())
        && name.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if fits {
        Ok(())
    } else {
        Err(DemandError::FieldName(name.chars().take(64).collect()))
    }
}

/// Why certificates are refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// The list is empty.
    #[error("No certificates provided")]
    NoneProvided,
    /// The list is malformed or too long.
    #[error("Malformed certificates: {0}")]
    Malformed(&'static str),
    /// The certificate belongs to another identity.
    #[error("The certificate is not the sender's")]
    Subject,
    /// The demand does not trust the certifier.
    #[error("The certificate's certifier is not one of those asked for")]
    Certifier,
    /// The demand does not ask for this type.
    #[error("The certificate's type is not one of those asked for")]
    Type,
    /// The certifier's signature is invalid.
    #[error("The certificate's signature is not valid")]
    Signature,
    /// A demanded field is missing or not revealed.
    #[error("The certificate does not reveal the field {0:?}")]
    NotRevealed(String),
    /// The key of a revealed field does not decrypt it.
    #[error("The certificate's field {0:?} cannot be decrypted")]
    Undecryptable(String),
    /// A revealed field breaks its rule.
    #[error("The certificate's field {0:?} is not what is required")]
    Requirement(String),
}

/// The certificates that the counterparty must present.
///
/// A certificate is valid when a trusted certifier signed it for the counterparty and it reveals all demanded fields.
/// The demand does not check whether the revocation outpoint is spent, because that takes a chain service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateDemand {
    certifiers: BTreeSet<IdentityKey>,
    types: BTreeMap<CertificateType, BTreeSet<String>>,
    rules: Vec<FieldRule>,
    json: String,
}

impl CertificateDemand {
    /// Demands a certificate of one of `certifiers` and of one of `types`. Each type lists the fields to reveal.
    ///
    /// # Errors
    /// [`DemandError`].
    pub fn new(
        certifiers: BTreeSet<IdentityKey>,
        types: BTreeMap<CertificateType, BTreeSet<String>>,
        rules: Vec<FieldRule>,
    ) -> Result<Self, DemandError> {
        if certifiers.is_empty() {
            return Err(DemandError::NoCertifiers);
        }
        if types.is_empty() {
            return Err(DemandError::NoTypes);
        }
        for name in types.values().flatten() {
            check_field_name(name)?;
        }
        for rule in &rules {
            if !types.values().any(|fields| fields.contains(&rule.name)) {
                return Err(DemandError::RuleWithoutField(rule.name.clone()));
            }
        }
        let keys: Vec<String> = certifiers.iter().map(IdentityKey::to_hex).collect();
        let json = serde_json::json!({ "certifiers": keys, "types": types }).to_string();
        let fields = types.values().map(BTreeSet::len).max();
        for (what, count, max) in [
            ("certifiers", certifiers.len(), MAX_DEMANDED),
            ("certificate types", types.len(), MAX_DEMANDED),
            (
                "fields of a certificate type",
                fields.unwrap_or(0),
                MAX_DEMANDED,
            ),
            (
                "bytes of certifiers, types and fields",
                json.len(),
                MAX_DEMAND_BYTES,
            ),
        ] {
            if count > max {
                return Err(DemandError::TooMany { what, max });
            }
        }
        Ok(Self {
            certifiers,
            types,
            rules,
            json,
        })
    }

    /// The `requestedCertificates` field of a handshake, as JSON.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Checks a list of certificates. `keys` are those shared with the counterparty. It must be the subject of the
    /// certificates and must have encrypted the keyrings for this side.
    ///
    /// # Errors
    /// The [`CertificateError`] of the first invalid certificate.
    pub fn verify(&self, keys: &PairKeys, json: &str) -> Result<RevealedFields, CertificateError> {
        let revealed = received::verify(self, keys, json)?;
        match self.rules.iter().find(|rule| !rule.holds(&revealed)) {
            Some(rule) => Err(CertificateError::Requirement(rule.name.clone())),
            None => Ok(revealed),
        }
    }

    fn trusts(&self, certifier: &IdentityKey) -> bool {
        self.certifiers.contains(certifier)
    }

    /// The fields that a type must reveal, if the demand includes the type.
    fn fields_of(&self, certificate_type: &CertificateType) -> Option<&BTreeSet<String>> {
        self.types.get(certificate_type)
    }
}

/// Certificates that a client must present, and its time limit.
#[derive(Clone)]
pub struct RequiredCertificates {
    /// The certificates that a client must present.
    pub demand: Arc<CertificateDemand>,
    /// How long a client may take to present them.
    pub timeout: Duration,
}

impl fmt::Debug for RequiredCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RequiredCertificates({} in {:?})",
            self.demand.json, self.timeout
        )
    }
}

#[cfg(test)]
mod tests;
