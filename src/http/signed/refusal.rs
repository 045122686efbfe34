//! A request that does not reach its route.

use crate::auth::AuthError;
use crate::http::error::ApiError;

/// Why, and whether the answer is signed.
pub(in crate::http) enum RequestRefusal {
    /// Nothing was verified: anybody may have sent the request, even in place of one that is still to come.
    Unsigned(ApiError),
    /// The session's client sent the request and its nonce is consumed, so nobody can make this request succeed any more.
    Signed(ApiError),
}

impl From<ApiError> for RequestRefusal {
    fn from(error: ApiError) -> Self {
        Self::Unsigned(error)
    }
}

impl From<AuthError> for RequestRefusal {
    fn from(error: AuthError) -> Self {
        Self::Unsigned(error.into())
    }
}
