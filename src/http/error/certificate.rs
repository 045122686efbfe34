//! Certificates that are required and did not come, or do not fit.

use actix_web::http::StatusCode;

use crate::auth::CertificateError;

use super::{ApiError, Details};

impl ApiError {
    /// The certificates that came are not what is required. Not 401: clients would shake hands and bring the same again.
    #[must_use]
    pub fn certificate_refused(error: &CertificateError) -> Self {
        let reason = error.to_string();
        Self::of_certificates(StatusCode::FORBIDDEN, "ERR_CERTIFICATE_REFUSED", reason)
    }

    /// The certificates that are required did not come in time.
    #[must_use]
    pub fn certificate_timeout() -> Self {
        let reason = "The certificates that are required did not come in time.".to_owned();
        Self::of_certificates(StatusCode::REQUEST_TIMEOUT, "CERTIFICATE_TIMEOUT", reason)
    }

    /// With the reason under the name that the middleware in use has for it, too.
    fn of_certificates(status: StatusCode, code: &'static str, reason: String) -> Self {
        Self {
            details: Box::new(Details {
                message: Some(reason.clone()),
                ..Details::default()
            }),
            ..Self::new(status, code, reason)
        }
    }
}
