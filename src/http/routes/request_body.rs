//! Splits a verified request into its body and its payment. A payment comes in a header, or in a multipart body beside the
//! request's own body (BRC-118).

use actix_web::HttpRequest;
use actix_web::http::header;
use bytes::Bytes;

use crate::delivery::PriceError;
use crate::http::error::ApiError;
use crate::json_depth;
use crate::payments::{MultipartBody, is_multipart};

/// The header with the payment of a request.
const PAYMENT: &str = "x-bsv-payment";

/// The parts of a verified request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestBody {
    /// The body for the route.
    pub(super) body: Bytes,
    /// The payment as JSON.
    pub(super) payment: Option<Bytes>,
}

/// The headers that describe a body and its payment.
#[derive(Debug)]
pub(super) struct BodyHeaders {
    payment: Option<Bytes>,
    content_type: Option<String>,
}

impl BodyHeaders {
    pub(super) fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let mut headers = request.headers().get_all(PAYMENT);
        let payment = headers.next();
        if headers.next().is_some() {
            return Err(PriceError::Several.into());
        }
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        Ok(Self {
            payment: payment.map(|value| Bytes::copy_from_slice(value.as_bytes())),
            content_type: content_type.map(str::to_owned),
        })
    }
}

impl RequestBody {
    /// Splits the body that came.
    pub(super) fn read(
        headers: BodyHeaders,
        body: &Bytes,
        max_json_depth: usize,
    ) -> Result<Self, ApiError> {
        let (header, content_type) = (headers.payment, headers.content_type.as_deref());
        let multipart = match content_type.filter(|value| is_multipart(value)) {
            Some(content_type) => MultipartBody::parse(content_type, body)
                .map_err(|error| ApiError::from(PriceError::from(error)))?,
            None => MultipartBody::Ordinary,
        };
        let read = match (multipart, header) {
            (MultipartBody::Ordinary, header) => Self {
                body: body.clone(),
                payment: header,
            },
            (MultipartBody::Paid { .. }, Some(_)) => return Err(PriceError::Several.into()),
            (
                MultipartBody::Paid {
                    payment,
                    body: inner,
                    ..
                },
                None,
            ) => Self {
                body: body.slice_ref(inner),
                payment: Some(body.slice_ref(payment)),
            },
        };
        let is_deeper = |part: &Bytes| json_depth::is_deeper(part, max_json_depth);
        if is_deeper(&read.body) || read.payment.as_ref().is_some_and(is_deeper) {
            return Err(ApiError::too_deep(max_json_depth));
        }
        Ok(read)
    }
}
