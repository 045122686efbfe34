//! The one place where errors become HTTP statuses, codes and texts.

use actix_web::http::StatusCode;
use serde::Serialize;

use crate::auth::AuthError;
use crate::db::DbError;
use crate::delivery::DeliveryError;

/// A failure as clients see it: `{"status":"error","code":...,"description":...}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub description: String,
}

#[derive(Serialize)]
struct Body<'a> {
    status: &'static str,
    code: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

impl ApiError {
    /// A mistake of the client.
    #[must_use]
    pub fn bad_request(code: &'static str, description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, description)
    }

    /// Any other.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, description: impl Into<String>) -> Self {
        Self {
            status,
            code,
            description: description.into(),
        }
    }

    /// The request carries no authentication at all.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            UNAUTHORIZED,
            "Mutual-authentication failed!",
        )
    }

    /// The request's authentication is wrong. Always 401: the published client shakes hands again after
    /// that, and after nothing else.
    #[must_use]
    pub fn authentication_failed(description: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "ERR_AUTH_FAILED", description)
    }

    /// The certificates that are required did not come in time.
    #[must_use]
    pub fn certificate_timeout() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            CERTIFICATE_TIMEOUT,
            "The certificates that are required did not come in time.",
        )
    }

    /// So much is under way that no more is taken.
    #[must_use]
    pub fn overloaded() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ERR_OVERLOADED",
            "The server is overloaded, try again later.",
        )
    }

    /// JSON.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let body = Body {
            status: "error",
            code: self.code,
            description: &self.description,
            // The middleware in use says `message` in these cases.
            message: [UNAUTHORIZED, CERTIFICATE_TIMEOUT]
                .contains(&self.code)
                .then_some(&*self.description),
        };
        // Strings always serialize.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

const UNAUTHORIZED: &str = "UNAUTHORIZED";
const CERTIFICATE_TIMEOUT: &str = "CERTIFICATE_TIMEOUT";

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        Self::authentication_failed(error.to_string())
    }
}

/// A failure of the store, where `code` and `description` are the route's own words for an internal error.
pub(super) fn store_error(
    error: &DbError,
    code: &'static str,
    description: &'static str,
) -> ApiError {
    if *error == DbError::Overloaded {
        return ApiError::overloaded();
    }
    log::error!("{code}: {error}");
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, code, description)
}

impl From<DeliveryError> for ApiError {
    fn from(error: DeliveryError) -> Self {
        match error {
            DeliveryError::MessageIdTaken => {
                Self::bad_request("ERR_DUPLICATE_MESSAGE", "Duplicate message.")
            }
            DeliveryError::MessageId => Self::bad_request(
                "ERR_INVALID_MESSAGEID",
                "Each messageId must be a non-empty string.",
            ),
            DeliveryError::MessageBox => {
                Self::bad_request("ERR_INVALID_MESSAGEBOX", "Invalid message box.")
            }
            DeliveryError::Store(error) => {
                store_error(&error, "ERR_INTERNAL", "An internal error has occurred.")
            }
        }
    }
}
