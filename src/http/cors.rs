//! CORS: pages of any origin may use the server.

use actix_web::http::header::HeaderName;
use actix_web::middleware::DefaultHeaders;

/// Response headers that a page may read. The star does not cover requests with credentials, so the names are listed too.
const EXPOSED_HEADERS: &str = "*, x-bsv-auth-version, x-bsv-auth-identity-key, x-bsv-auth-message-type, x-bsv-auth-nonce, \
     x-bsv-auth-your-nonce, x-bsv-auth-initial-nonce, x-bsv-auth-signature, x-bsv-auth-request-id, \
     x-bsv-auth-requested-certificates, x-bsv-identity-key, x-bsv-payment-version, x-bsv-payment-satoshis-required, \
     x-bsv-payment-derivation-prefix, x-bsv-payment-satoshis-paid, x-bsv-payment-known-txids, \
     x-bsv-payment-transports, retry-after, x-request-id";

/// Adds CORS headers to every response: any origin, method and header.
#[must_use]
pub fn cors() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("access-control-allow-origin", "*"))
        // The star does not cover this header.
        .add(("access-control-allow-headers", "*, authorization"))
        .add(("access-control-allow-methods", "*"))
        .add(("access-control-expose-headers", EXPOSED_HEADERS))
        .add(("access-control-max-age", "600"))
        .add((
            HeaderName::from_static("access-control-allow-private-network"),
            "true",
        ))
}
