//! What every page for browsers is sent with, whichever file it comes from: it is shown in no frame of others, is nothing but a
//! page, and fetches nothing from elsewhere. An admin's token may be in the same origin's storage.

use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};

/// For pages without a policy of their own. The page at `/docs` styles its parts as it goes.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// Adds to answers that are HTML what they lack of these headers.
///
/// # Errors
/// The service's own.
pub fn protect_pages<S, B>(
    request: ServiceRequest,
    service: &S,
) -> impl Future<Output = Result<ServiceResponse<B>, actix_web::Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
{
    let answering = service.call(request);
    async move {
        let mut answer = answering.await?;
        let headers = answer.headers_mut();
        let content_type = headers.get(header::CONTENT_TYPE);
        if content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/html")) {
            for (name, value) in HEADERS {
                if !headers.contains_key(&name) {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
        }
        Ok(answer)
    }
}
