//! Headers of every page for browsers, whichever file it comes from.
//!
//! Other sites cannot frame a page, and a page cannot load anything from elsewhere. An admin's token may be in the storage of
//! the same origin.

use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::http::reply::NO_STORE;

/// For pages without a policy of their own. Swagger UI at `/docs` sets styles at run time.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// A response and its body, with a fresh nonce for each `__NONCE__` in the page and in its policy.
pub(in crate::http) fn page_with_nonce(page: &str, policy: &str) -> (HttpResponseBuilder, String) {
    let nonce = STANDARD.encode(rand::random::<[u8; 16]>());
    let policy = policy.replace("__NONCE__", &nonce);
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/html; charset=utf-8")
        .insert_header(NO_STORE)
        .insert_header((header::CONTENT_SECURITY_POLICY, policy));
    (response, page.replace("__NONCE__", &nonce))
}

/// For `App::wrap_fn`: adds these headers to HTML responses that lack them.
///
/// # Errors
/// Those of the service.
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
