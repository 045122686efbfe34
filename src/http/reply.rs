//! A reply of a route, before it is signed.

use actix_web::http::StatusCode;
use bytes::Bytes;
use serde::Serialize;

use super::counts::Failed;
use super::error::ApiError;

/// What nearly all replies are.
const JSON: &str = "application/json";

/// Status, headers of our own and JSON body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// `x-bsv-*` headers; they are signed.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
    pub(super) content_type: &'static str,
    /// The failure, if it is one.
    pub(super) failure: Option<Failed>,
}

impl Reply {
    /// 200 with this as JSON.
    pub(super) fn ok(body: &impl Serialize) -> Self {
        // What routes reply with is made of strings and numbers, which always serialize.
        Self::ok_json(serde_json::to_vec(body).unwrap_or_default())
    }

    /// 200 with what is JSON already.
    pub(super) fn ok_json(body: impl Into<Bytes>) -> Self {
        Self {
            status: StatusCode::OK,
            headers: Vec::new(),
            body: body.into(),
            content_type: JSON,
            failure: None,
        }
    }
}

impl From<ApiError> for Reply {
    fn from(error: ApiError) -> Self {
        Self {
            status: error.status,
            body: error.body().into(),
            headers: error.headers,
            content_type: JSON,
            failure: Some(Failed {
                code: error.code,
                reason: error.description,
            }),
        }
    }
}

impl From<Result<Self, ApiError>> for Reply {
    fn from(result: Result<Self, ApiError>) -> Self {
        result.unwrap_or_else(Self::from)
    }
}
