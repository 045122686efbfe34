//! How requests fail whatever they ask for, or wherever they bring a body or a payment.

use super::failures::{Failure, failure};

/// Of every authenticated route.
pub(super) const AUTHENTICATION: &[Failure] = &[
    failure(
        401,
        "UNAUTHORIZED",
        "Mutual-authentication failed! Missing header: x-bsv-auth-version. Requests are signed as in BRC-104.",
    ),
    failure(401, "ERR_AUTH_FAILED", "Signature is not valid"),
    failure(
        503,
        "ERR_REPLAY_UNCHECKED",
        "Whether the request is a replay cannot be checked now, try again later.",
    ),
    RATE_LIMITED,
];

/// Of every route that a signature opens, where the operator has lists of identities. Admins are exempt.
pub(super) const IDENTITY_LISTS: &[Failure] = &[
    failure(
        403,
        "ERR_IDENTITY_BLOCKED",
        "The operator of this server has blocked your identity.",
    ),
    failure(
        403,
        "ERR_IDENTITY_NOT_ALLOWED",
        "This server serves a list of identities, and yours is not on it.",
    ),
];

/// Of every route that anybody may ask for.
pub(super) const RATE_LIMITED: Failure = failure(
    429,
    "ERR_RATE_LIMITED",
    "Too many requests, try again later.",
);

/// Of every authenticated route, where the operator requires certificates.
pub(super) const CERTIFICATES: &[Failure] = &[
    failure(
        408,
        "CERTIFICATE_TIMEOUT",
        "The certificates that are required did not come in time.",
    ),
    failure(
        403,
        "ERR_CERTIFICATE_REFUSED",
        "The certificate's field \"role\" is not what is required",
    ),
];

/// Of every route that reads JSON.
pub(super) const TOO_DEEP: Failure = failure(
    400,
    "ERR_JSON_TOO_DEEP",
    "The JSON is nested more than 128 deep.",
);

/// Of every route, for the head of a request.
pub(super) const HEAD: &[Failure] = &[
    failure(
        414,
        "ERR_URL_TOO_LONG",
        "The path and the query are longer than 61440 bytes.",
    ),
    failure(
        431,
        "ERR_TOO_MANY_HEADERS",
        "The request has more than 90 headers.",
    ),
    failure(
        431,
        "ERR_HEADERS_TOO_LARGE",
        "The headers are larger than 131072 bytes.",
    ),
];

/// Of every route that takes a body.
pub(super) const BODY: &[Failure] = &[
    failure(
        400,
        "ERR_INVALID_JSON",
        "The request body is not valid JSON.",
    ),
    TOO_DEEP,
    failure(
        413,
        "ERR_BODY_TOO_LARGE",
        "The request is larger than 104857600 bytes.",
    ),
    failure(
        408,
        "ERR_REQUEST_TIMEOUT",
        "The request body took too long.",
    ),
    failure(
        415,
        "ERR_AUTH_BODY",
        "The request body must be sent without a content-encoding.",
    ),
];

/// Of every route, where the operator has given it a price.
pub(super) const PRICE: &[Failure] = &[
    failure(
        402,
        "ERR_PAYMENT_REQUIRED",
        "A BSV payment is required to complete this request. Provide the X-BSV-Payment header.",
    ),
    failure(
        400,
        "ERR_MALFORMED_PAYMENT",
        "A request takes one payment: one X-BSV-Payment header, or one part of a multipart body.",
    ),
    failure(
        413,
        "ERR_MALFORMED_PAYMENT",
        "The multipart body cannot be read: the payment is larger than 4194304 bytes.",
    ),
    failure(
        400,
        "ERR_INVALID_DERIVATION_PREFIX",
        "The derivation prefix was not made by this server.",
    ),
    failure(
        400,
        "ERR_INVALID_PAYMENT",
        "Payment was not accepted by the server: output 0 pays 9 of 10 satoshis",
    ),
    failure(
        400,
        "ERR_PAYMENT_FAILED",
        "Payment was not accepted by the server.",
    ),
    failure(
        409,
        "ERR_PAYMENT_REPLAYED",
        "Payment was not accepted by the server: output 7f….0 has been used before",
    ),
    failure(
        503,
        "ERR_PAYMENT_UNAVAILABLE",
        "Failed to internalize payment: the wallet answered with an error",
    ),
];

/// Where the server has too much to do.
pub(super) const OVERLOADED: Failure = failure(
    503,
    "ERR_OVERLOADED",
    "The server is overloaded, try again later.",
);
