//! Required certificates that are missing or unfit.

use actix_web::http::StatusCode;

use crate::auth::CertificateError;

use super::{ApiError, Details};

impl ApiError {
    /// The certificates do not meet the requirement. Not 401: clients would shake hands and bring the same ones again.
    pub(in crate::http) fn certificate_refused(error: &CertificateError) -> Self {
        let reason = error.to_string();
        Self::of_certificates(StatusCode::FORBIDDEN, "ERR_CERTIFICATE_REFUSED", reason)
    }

    /// The required certificates did not come in time.
    pub(in crate::http) fn certificate_timeout() -> Self {
        let reason = "The certificates that are required did not come in time.".to_owned();
        Self::of_certificates(StatusCode::REQUEST_TIMEOUT, "CERTIFICATE_TIMEOUT", reason)
    }

    /// Repeats the reason as `message`, where the middleware in use has it.
    fn of_certificates(status: StatusCode, code: &'static str, reason: String) -> Self {
        Self::new(status, code, reason.clone()).with_details(Details {
            message: Some(reason),
            ..Details::default()
        })
    }
}
