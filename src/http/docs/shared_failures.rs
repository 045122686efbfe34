//! Failures that routes have in common.

/// Status, code, and a description as the route sends it.
pub(super) type FailureRow = (u16, &'static str, &'static str);

/// Of every signed route.
pub(super) const AUTHENTICATION: &[FailureRow] = &[
    (401, "UNAUTHORIZED", "Mutual-authentication failed! Missing header: x-bsv-auth-version. Requests are signed as in BRC-104."),
    (401, "ERR_AUTH_FAILED", "Signature is not valid"),
    (503, "ERR_REPLAY_UNCHECKED", "Whether the request is a replay cannot be checked now, try again later."),
    RATE_LIMITED,
];

/// Of every signed route, if the operator has lists of identities. Admins are exempt.
pub(super) const IDENTITY_LISTS: &[FailureRow] = &[
    (403, "ERR_IDENTITY_BLOCKED", "The operator of this server has blocked your identity."),
    (403, "ERR_IDENTITY_NOT_ALLOWED", "This server serves a list of identities, and yours is not on it."),
];

/// Of every route that counts requests.
pub(super) const RATE_LIMITED: FailureRow = (429, "ERR_RATE_LIMITED", "Too many requests, try again later.");

/// Of every signed route, if the operator requires certificates.
pub(super) const CERTIFICATES: &[FailureRow] = &[
    (408, "CERTIFICATE_TIMEOUT", "The certificates that are required did not come in time."),
    (403, "ERR_CERTIFICATE_REFUSED", "The certificate's field \"role\" is not what is required"),
];

/// Of every route that reads JSON.
pub(super) const TOO_DEEP: FailureRow = (400, "ERR_JSON_TOO_DEEP", "The JSON is nested more than 128 deep.");

/// Of every route: URL and headers.
pub(super) const HEAD: &[FailureRow] = &[
    (414, "ERR_URL_TOO_LONG", "The path and the query are longer than 61440 bytes."),
    (431, "ERR_TOO_MANY_HEADERS", "The request has more than 90 headers."),
    (431, "ERR_HEADERS_TOO_LARGE", "The headers are larger than 131072 bytes."),
];

/// Of every route with a body.
pub(super) const BODY: &[FailureRow] = &[
    (400, "ERR_INVALID_JSON", "The request body is not valid JSON."),
    TOO_DEEP,
    (413, "ERR_BODY_TOO_LARGE", "The request is larger than 104857600 bytes."),
    (408, "ERR_REQUEST_TIMEOUT", "The request body took too long."),
    (415, "ERR_AUTH_BODY", "The request body must be sent without a content-encoding."),
];

/// Of every signed route to which the operator has given a price.
pub(super) const PRICE: &[FailureRow] = &[
    (402, "ERR_PAYMENT_REQUIRED", "A BSV payment is required to complete this request. Provide the X-BSV-Payment header."),
    (400, "ERR_MALFORMED_PAYMENT", "A request takes one payment: one X-BSV-Payment header, or one part of a multipart body."),
    (413, "ERR_MALFORMED_PAYMENT", "The multipart body cannot be read: the payment is larger than 4194304 bytes."),
    (400, "ERR_INVALID_DERIVATION_PREFIX", "The derivation prefix was not made by this server."),
    (400, "ERR_INVALID_PAYMENT", "Payment was not accepted by the server: output 0 pays 9 of 10 satoshis"),
    (400, "ERR_PAYMENT_FAILED", "Payment was not accepted by the server."),
    (409, "ERR_PAYMENT_REPLAYED", "Payment was not accepted by the server: output 7f….0 has been used before"),
    (503, "ERR_PAYMENT_UNAVAILABLE", "Failed to internalize payment: the wallet answered with an error"),
];

/// Of routes that the server can refuse under load.
pub(super) const OVERLOADED: FailureRow = (503, "ERR_OVERLOADED", "The server is overloaded, try again later.");
