//! The reply of a route, and the unsigned response that it becomes. `signed/sign.rs` makes signed ones.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ApiError;

/// Replies are for one client and one moment: no cache may store them.
pub(super) const NO_STORE: (HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

const JSON: &str = "application/json";

/// Why a request failed, left in the response for the counters and the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FailureNote {
    pub(super) code: &'static str,
    pub(super) reason: String,
}

/// A reply before it is signed, or sent without a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RouteReply {
    pub(super) status: StatusCode,
    /// The server's own headers. A signature covers those that begin with `x-bsv-`.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
    pub(super) content_type: &'static str,
    pub(super) failure: Option<FailureNote>,
}

/// What every success says.
#[derive(Serialize, ToSchema)]
pub(super) struct Success {
    status: &'static str,
}

/// A body beside `"status": "success"`.
#[derive(Serialize)]
struct Succeeded<'a, T> {
    status: &'static str,
    #[serde(flatten)]
    body: &'a T,
}

impl RouteReply {
    /// 200 with `"status": "success"` and the fields of this body.
    pub(super) fn success(body: &impl Serialize) -> Self {
        Self::json(&Succeeded {
            status: "success",
            body,
        })
    }

    /// 200 with nothing but `"status": "success"`.
    pub(super) fn done() -> Self {
        Self::json(&Success { status: "success" })
    }

    /// 200 with this body as JSON.
    pub(super) fn json(body: &impl Serialize) -> Self {
        // Bodies are made of strings and numbers, which always serialize.
        Self::written(serde_json::to_vec(body).unwrap_or_default())
    }

    /// 200 with a body that is JSON already.
    pub(super) fn written(json: impl Into<Bytes>) -> Self {
        Self {
            status: StatusCode::OK,
            headers: Vec::new(),
            body: json.into(),
            content_type: JSON,
            failure: None,
        }
    }

    /// Begins the response: all but the body.
    pub(super) fn start(&self) -> HttpResponseBuilder {
        let mut response = HttpResponse::build(self.status);
        if let Some(failure) = &self.failure {
            response.extensions_mut().insert(failure.clone());
        }
        for (name, value) in &self.headers {
            response.insert_header((*name, value.as_str()));
        }
        response
            .content_type(self.content_type)
            .insert_header(NO_STORE);
        response
    }

    pub(super) fn unsigned(self) -> HttpResponse {
        self.start().body(self.body)
    }
}

impl From<ApiError> for RouteReply {
    fn from(error: ApiError) -> Self {
        Self {
            status: error.status,
            body: error.body().into(),
            headers: error.headers,
            content_type: JSON,
            failure: Some(FailureNote {
                code: error.code,
                reason: error.description,
            }),
        }
    }
}

impl From<Result<Self, ApiError>> for RouteReply {
    fn from(result: Result<Self, ApiError>) -> Self {
        result.unwrap_or_else(Self::from)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        RouteReply::from(self.clone()).unsigned()
    }
}
