//! Certificates that are required and did not come, or do not fit.

use actix_web::http::StatusCode;

use crate::auth::CertificateError;

use super::{ApiError, Details};

impl ApiError {
    /// The certificates that came are not what is required. Not 401: clients would shake hands and bring the same again.
    #[must_use]
    pub fn certificate_refused(error: &CertificateError) -> Self {
        let description = error.to_string();
        Self {
            details: Box::new(Details {
                message: Some(description.clone()),
                ..Details::default()
            }),
            ..Self::new(
                StatusCode::FORBIDDEN,
                "ERR_CERTIFICATE_REFUSED",
                description,
            )
        }
    }

    /// The certificates that are required did not come in time.
    #[must_use]
    pub fn certificate_timeout() -> Self {
        let description = "The certificates that are required did not come in time.";
        Self {
            details: Box::new(Details {
                message: Some(description.to_owned()),
                ..Details::default()
            }),
            ..Self::new(
                StatusCode::REQUEST_TIMEOUT,
                "CERTIFICATE_TIMEOUT",
                description,
            )
        }
    }
}
