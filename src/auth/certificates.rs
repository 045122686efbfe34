//! Certificates that a counterparty must bring (BRC-103 §6.4, BRC-52, BRC-53): what is asked for and what came.

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

/// Longer field names are not used in certificates (BRC-52).
const MAX_FIELD_NAME: usize = 50;

/// A certificate type: the base64 of 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateType(String);

impl CertificateType {
    /// The base64.
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

/// What a revealed field must be, written `name` (not blank) or `name=value` (equal).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldRule {
    name: String,
    value: Option<String>,
}

impl FieldRule {
    /// The field.
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

/// Certifiers, types, and fields of a type that clients of SDK 2.8 and later read.
const MAX_DEMANDED: usize = 100;
/// Bytes of `x-bsv-auth-requested-certificates` that they read (64 KiB before 2.8.5).
const MAX_DEMAND_BYTES: usize = 64 * 1024;

/// Why certificates cannot be asked for in this way.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DemandError {
    /// Nobody is trusted.
    #[error("certificate types need certifiers")]
    NoCertifiers,
    /// Nothing is asked of them.
    #[error("certifiers need certificate types")]
    NoTypes,
    /// Not a type.
    #[error("a certificate type is the base64 of 32 bytes")]
    Type,
    /// Not a certifier.
    #[error(transparent)]
    Certifier(#[from] IdentityKeyError),
    /// Not a field's name.
    #[error("a field's name is 1 to 50 printable ASCII characters, not {0:?}")]
    FieldName(String),
    /// More than the strictest clients read.
    #[error("clients read at most {max} {what}")]
    TooMany {
        /// Certifiers, types, fields of a type, or bytes of all of it.
        what: &'static str,
        /// How many they read.
        max: usize,
    },
    /// A rule that nothing could fulfil.
    #[error("no certificate type reveals the field {0:?}")]
    RuleWithoutField(String),
}

/// Names travel in an HTTP header, and only ASCII ones are signed in the same order everywhere.
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
    /// An empty list.
    #[error("No certificates provided")]
    NoneProvided,
    /// Not a list of certificates, or too long a one.
    #[error("Malformed certificates: {0}")]
    Malformed(&'static str),
    /// It belongs to another identity.
    #[error("The certificate is not the sender's")]
    Subject,
    /// Its certifier is not trusted here.
    #[error("The certificate's certifier is not one of those asked for")]
    Certifier,
    /// Its type is not asked for.
    #[error("The certificate's type is not one of those asked for")]
    Type,
    /// Its certifier has not signed it.
    #[error("The certificate's signature is not valid")]
    Signature,
    /// A field that is asked for is not there, or not revealed.
    #[error("The certificate does not reveal the field {0:?}")]
    NotRevealed(String),
    /// What is to reveal a field does not.
    #[error("The certificate's field {0:?} cannot be decrypted")]
    Undecryptable(String),
    /// A field is revealed and is not what it must be.
    #[error("The certificate's field {0:?} is not what is required")]
    Requirement(String),
}

/// The certificates that a counterparty must bring.
///
/// A certificate counts when a certifier of ours has signed it for that counterparty and all fields asked for are
/// revealed. Whether its revocation outpoint is spent is not checked: that takes a service that knows the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateDemand {
    certifiers: BTreeSet<IdentityKey>,
    types: BTreeMap<CertificateType, BTreeSet<String>>,
    rules: Vec<FieldRule>,
    json: String,
}

impl CertificateDemand {
    /// Asks for certificates of any of `certifiers` and of any of `types`, which say what must be revealed of each.
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

    /// The `requestedCertificates` of a handshake.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Checks a list of certificates. `keys` are those shared with the counterparty, whose certificates they must be
    /// and who must have made the keyrings for us.
    ///
    /// # Errors
    /// [`CertificateError`], for the first certificate that does not fit.
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

    /// What must be revealed of a type, if it is asked for.
    fn fields_of(&self, certificate_type: &CertificateType) -> Option<&BTreeSet<String>> {
        self.types.get(certificate_type)
    }
}

/// Certificates that are required, and how long they may take to come.
#[derive(Clone)]
pub struct RequiredCertificates {
    /// What is required.
    pub demand: Arc<CertificateDemand>,
    /// How long it may take.
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
