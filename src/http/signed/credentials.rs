//! The authentication headers of a request (BRC-104).

use actix_web::http::header::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::auth::{AUTH_VERSION, AuthError};
use crate::http::error::ApiError;

/// The `x-bsv-auth-*` headers of a request.
pub(super) struct Credentials {
    pub(super) identity_key: String,
    pub(super) nonce: String,
    /// The nonce of the server that names the session.
    pub(super) your_nonce: String,
    pub(super) signature: Vec<u8>,
    pub(super) request_id: [u8; 32],
    pub(super) request_id_text: String,
}

const NAMES: [&str; 6] = [
    "version",
    "identity-key",
    "nonce",
    "your-nonce",
    "signature",
    "request-id",
];

impl Credentials {
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut values = NAMES.map(|_| String::new());
        let mut found = 0;
        for (name, value) in NAMES.iter().zip(&mut values) {
            let mut all = headers.get_all(format!("x-bsv-auth-{name}"));
            let Some(first) = all.next() else { continue };
            if all.any(|other| other != first) {
                return Err(ApiError::authentication_failed(format!(
                    "Repeated header: x-bsv-auth-{name}"
                )));
            }
            found += 1;
            first.to_str().unwrap_or_default().clone_into(value);
        }
        if found == 0 {
            return Err(ApiError::unauthenticated());
        }
        let missing = values.iter().position(String::is_empty);
        if let Some(name) = missing.and_then(|index| NAMES.get(index)) {
            return Err(ApiError::authentication_failed(format!(
                "Missing required header: x-bsv-auth-{name}"
            )));
        }
        let [
            version,
            identity_key,
            nonce,
            your_nonce,
            signature,
            request_id_text,
        ] = values;
        if version != AUTH_VERSION {
            let received = version.chars().take(32).collect();
            return Err(AuthError::Version { received }.into());
        }
        let signature = hex::decode(signature).map_err(|_| AuthError::Signature)?;
        let request_id = STANDARD.decode(&request_id_text).ok();
        let request_id = request_id.and_then(|bytes| bytes.try_into().ok());
        let request_id = request_id.ok_or_else(|| {
            ApiError::authentication_failed("x-bsv-auth-request-id is not the base64 of 32 bytes")
        })?;
        Ok(Self {
            identity_key,
            nonce,
            your_nonce,
            signature,
            request_id,
            request_id_text,
        })
    }
}
