//! How large the head of a request may be. actix-web refuses more than 96 headers, 128 KiB of head and a target of 65,534
//! bytes, without a body. This is as strict or stricter, and says what was too large.

use std::future::ready;

use actix_web::Error;
use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{RequestHead, Service, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use futures_util::future::Either;

use crate::http::error::ApiError;
use crate::http::signed::authenticate::unsigned;

/// Bytes of a header line beside its name and value: a colon, a space, and the line's end.
const HEADER_OVERHEAD: usize = 4;

/// Bounds of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the path and the query.
    pub max_url_bytes: usize,
    /// Header lines.
    pub max_headers: usize,
    /// Bytes of all header lines together.
    pub max_header_bytes: usize,
}

impl HeadLimits {
    fn check(&self, head: &RequestHead) -> Result<(), ApiError> {
        let too_large = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let url = head.uri.path_and_query().map_or("", |url| url.as_str());
        if url.len() > self.max_url_bytes {
            let max = self.max_url_bytes;
            return Err(ApiError::new(
                StatusCode::URI_TOO_LONG,
                "ERR_URL_TOO_LONG",
                format!("The path and the query are longer than {max} bytes."),
            ));
        }
        let headers = head.headers();
        if headers.len() > self.max_headers {
            let max = self.max_headers;
            let description = format!("The request has more than {max} headers.");
            return Err(ApiError::new(
                too_large,
                "ERR_TOO_MANY_HEADERS",
                description,
            ));
        }
        let lines = headers.iter();
        let bytes: usize = lines
            .map(|(name, value)| name.as_str().len() + value.len() + HEADER_OVERHEAD)
            .sum();
        if bytes > self.max_header_bytes {
            let max = self.max_header_bytes;
            let description = format!("The headers are larger than {max} bytes.");
            return Err(ApiError::new(
                too_large,
                "ERR_HEADERS_TOO_LARGE",
                description,
            ));
        }
        Ok(())
    }
}

/// For `App::wrap_fn`: nothing else looks at a request whose head is too large.
///
/// # Errors
/// The service's own.
pub fn refuse_large_heads<S, B>(
    limits: HeadLimits,
    request: ServiceRequest,
    service: &S,
) -> impl Future<Output = Result<ServiceResponse<EitherBody<B, BoxBody>>, Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    match limits.check(request.head()) {
        Ok(()) => {
            let answer = service.call(request);
            Either::Left(async move { Ok(answer.await?.map_into_left_body()) })
        }
        Err(error) => {
            let refused = request.into_response(unsigned(&error));
            Either::Right(ready(Ok(refused.map_into_right_body())))
        }
    }
}
