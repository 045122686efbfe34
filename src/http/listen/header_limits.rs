//! Limits of request headers. Of itself actix-web refuses more than 96 headers, 128 KiB of headers, and 65,534 bytes of path
//! and query. It sends an empty response. These limits are not larger, and their responses name the limit.

use std::future::ready;

use actix_web::Error;
use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{RequestHead, Service, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use futures_util::future::Either;

use crate::http::error::ApiError;

const TOO_LARGE: StatusCode = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;

/// Bytes of a header line beside its name and value: a colon, a space, and the line's end.
const HEADER_OVERHEAD: usize = 4;

/// Limits of the request line and the headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderLimits {
    /// Bytes of the path and the query.
    pub max_url_bytes: usize,
    /// Header lines of a request.
    pub max_headers: usize,
    /// Bytes of all header lines together.
    pub max_header_bytes: usize,
}

impl HeaderLimits {
    fn check(&self, head: &RequestHead) -> Result<(), ApiError> {
        let url = head.uri.path_and_query().map_or("", |url| url.as_str());
        let headers = head.headers();
        let lines = headers.iter();
        let header_bytes: usize = lines
            .map(|(name, value)| name.as_str().len() + value.len() + HEADER_OVERHEAD)
            .sum();
        let (status, code, description) = if url.len() > self.max_url_bytes {
            let max = self.max_url_bytes;
            let description = format!("The path and the query are longer than {max} bytes.");
            (StatusCode::URI_TOO_LONG, "ERR_URL_TOO_LONG", description)
        } else if headers.len() > self.max_headers {
            let max = self.max_headers;
            let description = format!("The request has more than {max} headers.");
            (TOO_LARGE, "ERR_TOO_MANY_HEADERS", description)
        } else if header_bytes > self.max_header_bytes {
            let max = self.max_header_bytes;
            let description = format!("The headers are larger than {max} bytes.");
            (TOO_LARGE, "ERR_HEADERS_TOO_LARGE", description)
        } else {
            return Ok(());
        };
        Err(ApiError::new(status, code, description))
    }
}

/// For `App::wrap_fn`: refuses requests above these limits before anything else reads them.
///
/// # Errors
/// Those of the service.
pub fn refuse_large_headers<S, B>(
    limits: HeaderLimits,
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
            let refused = request.error_response(error);
            Either::Right(ready(Ok(refused.map_into_right_body())))
        }
    }
}
