//! A Google service account: the name and the key for access tokens.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use ring::signature::RsaKeyPair;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use thiserror::Error;

/// The token endpoint of accounts that name none.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// Why an account cannot be used. No text shows the key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ServiceAccountError {
    /// Neither the JSON nor a path is configured.
    #[error("push.enabled needs push.service_account_json or push.service_account_path")]
    Missing,
    /// The file is missing or not readable.
    #[error("the service account {path} cannot be read: {cause}")]
    Unreadable {
        /// The configured path of the file.
        path: String,
        /// The error of the file system.
        cause: String,
    },
    /// The JSON is not that of a service account.
    #[error("the service account is not JSON with client_email and private_key")]
    Malformed,
    /// The key is not a PEM of an RSA key.
    #[error("the private key of the service account is not an RSA key in PEM")]
    Key,
    /// No project is named anywhere.
    #[error("push.project_id is not set, and the service account names no project")]
    Project,
}

#[derive(Deserialize)]
struct Wire {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    token_uri: Option<String>,
    project_id: Option<String>,
}

/// A parsed service account.
#[derive(Clone)]
pub struct ServiceAccount {
    pub(super) client_email: String,
    pub(super) key: Arc<RsaKeyPair>,
    pub(super) key_id: Option<String>,
    pub(super) token_uri: String,
    /// The project of the account.
    pub project_id: Option<String>,
}

/// Shows the name only, never the key.
impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceAccount({})", self.client_email)
    }
}

impl ServiceAccount {
    /// Parses the JSON of an account.
    ///
    /// # Errors
    /// [`ServiceAccountError`].
    pub fn parse(json: &str) -> Result<Self, ServiceAccountError> {
        let wire: Wire = serde_json::from_str(json).map_err(|_| ServiceAccountError::Malformed)?;
        // In environment variables, a line end is often written as two characters.
        let pem = wire.private_key.replace("\\n", "\n");
        Ok(Self {
            key: Arc::new(rsa_key(&pem).ok_or(ServiceAccountError::Key)?),
            client_email: wire.client_email,
            key_id: wire.private_key_id,
            token_uri: wire.token_uri.unwrap_or_else(|| TOKEN_URI.to_owned()),
            project_id: wire.project_id,
        })
    }

    /// Reads and parses the file of an account.
    ///
    /// # Errors
    /// [`ServiceAccountError`].
    pub fn read(path: &Path) -> Result<Self, ServiceAccountError> {
        let json =
            std::fs::read_to_string(path).map_err(|error| ServiceAccountError::Unreadable {
                path: path.display().to_string(),
                cause: error.to_string(),
            })?;
        Self::parse(&json)
    }
}

/// Parses an RSA key in PEM, as PKCS#1 or PKCS#8.
fn rsa_key(pem: &str) -> Option<RsaKeyPair> {
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()? {
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()).ok(),
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_account_says_so_and_nothing_of_its_key() {
        let cases = [
            ("", ServiceAccountError::Malformed),
            ("{}", ServiceAccountError::Malformed),
            (
                r#"{"client_email":"a@b","private_key":"hunter2"}"#,
                ServiceAccountError::Key,
            ),
        ];
        for (json, expected) in cases {
            let error = ServiceAccount::parse(json).unwrap_err();
            assert!(!error.to_string().contains("hunter2"));
            assert_eq!(error, expected, "{json}");
        }
        let missing = ServiceAccount::read(Path::new("/no/such/account.json")).unwrap_err();
        assert!(missing.to_string().contains("/no/such/account.json"));
    }
}
