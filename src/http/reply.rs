//! A reply of a route, before it is signed.

use actix_web::http::StatusCode;
use bytes::Bytes;
use serde::Serialize;

use super::error::ApiError;

/// Status, headers of our own and JSON body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// `x-bsv-*` headers; they are signed.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

impl Reply {
    /// 200 with this as JSON.
    pub(super) fn ok(body: &impl Serialize) -> Self {
        Self {
            status: StatusCode::OK,
            headers: Vec::new(),
            // What routes reply with is made of strings and numbers, which always serialize.
            body: serde_json::to_vec(body).unwrap_or_default().into(),
        }
    }
}

impl From<ApiError> for Reply {
    fn from(error: ApiError) -> Self {
        Self {
            status: error.status,
            body: error.body().into(),
            headers: error.headers,
        }
    }
}

impl From<Result<Self, ApiError>> for Reply {
    fn from(result: Result<Self, ApiError>) -> Self {
        result.unwrap_or_else(Self::from)
    }
}
