//! The one place where errors become HTTP statuses, codes and texts.

mod certificate;
mod price;
mod storage;

use std::time::Duration;

use actix_web::http::StatusCode;
use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;

use crate::auth::AuthError;
use crate::db::DbError;
use crate::delivery::DeliveryError;
use crate::events::Refusal;
use crate::heavy::NotDone;
use crate::ids::IdentityKey;
use crate::model::NotServed;
use crate::payments::{PAYMENT_TRANSPORTS, PaymentError, ReceiveError};
use crate::socket::OpeningRefused;

/// A failure as clients see it: `{"status":"error","code":...,"description":...}`. A handler that returns one answers
/// with an unsigned response (`reply.rs`).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{code}: {description}")]
pub struct ApiError {
    /// HTTP status of the response.
    pub status: StatusCode,
    /// What programs match on, such as `ERR_OVERLOADED`.
    pub code: &'static str,
    /// What went wrong, for people.
    pub description: String,
    /// Further fields of the body.
    pub details: Box<Details>,
    /// Further headers of the response.
    pub headers: Vec<(&'static str, String)>,
}

/// Fields that the body of some failures has beside code and description.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// The description under the name that the auth-express middleware gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `ERR_DELIVERY_BLOCKED`: recipients that block the sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_recipients: Option<Vec<String>>,
    /// `ERR_PAYMENT_REQUIRED`: price of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub satoshis_required: Option<u64>,
    /// `ERR_INBOX_QUOTA_EXCEEDED`, `ERR_SENDER_QUOTA_EXCEEDED`: `messages` or `bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<&'static str>,
    /// `ERR_INBOX_QUOTA_EXCEEDED`, `ERR_SENDER_QUOTA_EXCEEDED`: how much of the resource may be stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// `ERR_INBOX_QUOTA_EXCEEDED`: owner of the full inbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// `ERR_NOT_READY`: failed checks, such as `database`; `draining` while the server shuts down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_ready: Option<Vec<String>>,
}

/// The body of every failure.
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorBody<'a> {
    status: &'static str,
    /// What programs match on.
    code: &'a str,
    /// What went wrong, for people.
    description: &'a str,
    #[serde(flatten)]
    details: &'a Details,
}

/// The version of the payment headers; clients insist on it.
const PAYMENT_VERSION: &str = "1.0";

/// When a client may retry a socket that was refused because there are too many.
const RETRY_OPENING: Duration = Duration::from_secs(5);

const INTERNAL: &str = "An internal error has occurred.";

impl ApiError {
    /// A failure without details and headers.
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        description: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code,
            description: description.into(),
            details: Box::default(),
            headers: Vec::new(),
        }
    }

    /// The client made a mistake.
    pub(super) fn bad_request(code: &'static str, description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, description)
    }

    /// The server failed to answer.
    pub(super) fn internal(code: &'static str, description: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, description)
    }

    /// The server cannot do it now.
    pub(super) fn unavailable(code: &'static str, description: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, description)
    }

    /// There is no such thing.
    pub(super) fn not_found(code: &'static str, description: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, description)
    }

    pub(super) fn with_details(mut self, details: Details) -> Self {
        self.details = Box::new(details);
        self
    }

    fn retry_after(mut self, time: Duration) -> Self {
        let seconds = time.as_millis().div_ceil(1_000).max(1);
        self.headers.push(("retry-after", seconds.to_string()));
        self
    }

    /// The request has a price and carries no payment. The client derives the key that it pays from `prefix`, a nonce of
    /// the server, and from `payee`, the server's identity key.
    pub(super) fn payment_required(satoshis: u64, prefix: String, payee: IdentityKey) -> Self {
        let description =
            "A BSV payment is required to complete this request. Provide the X-BSV-Payment header.";
        let mut error = Self::new(
            StatusCode::PAYMENT_REQUIRED,
            "ERR_PAYMENT_REQUIRED",
            description,
        );
        error.headers = vec![
            ("x-bsv-payment-version", PAYMENT_VERSION.to_owned()),
            ("x-bsv-payment-satoshis-required", satoshis.to_string()),
            ("x-bsv-payment-derivation-prefix", prefix),
            ("x-bsv-payment-transports", PAYMENT_TRANSPORTS.to_owned()),
            // The Ruby SDK takes the payee from here.
            ("x-bsv-identity-key", payee.to_hex()),
        ];
        error.with_details(Details {
            satoshis_required: Some(satoshis),
            ..Details::default()
        })
    }

    /// The request carries no authentication at all.
    pub(super) fn unauthenticated() -> Self {
        let message = "Mutual-authentication failed!";
        let description = format!(
            "{message} Missing header: x-bsv-auth-version. Requests are signed as in BRC-104."
        );
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", description).with_details(Details {
            message: Some(message.to_owned()),
            ..Details::default()
        })
    }

    /// The request's authentication is wrong. Always 401: the published client shakes hands again after 401 only.
    pub(super) fn authentication_failed(description: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "ERR_AUTH_FAILED", description)
    }

    /// A queue, a budget or a limit of the whole server is full.
    pub(super) fn overloaded() -> Self {
        Self::unavailable(
            "ERR_OVERLOADED",
            "The server is overloaded, try again later.",
        )
    }

    /// The store that counts requests does not answer, and the operator prefers refusing to a replay.
    pub(super) fn replay_unchecked() -> Self {
        let description = "Whether the request is a replay cannot be checked now, try again later.";
        Self::unavailable("ERR_REPLAY_UNCHECKED", description).retry_after(Duration::from_secs(1))
    }

    /// The client exceeds a rate limit; the next request is admitted after `wait`.
    pub(super) fn rate_limited(wait: Duration) -> Self {
        let description = "Too many requests, try again later.";
        let status = StatusCode::TOO_MANY_REQUESTS;
        Self::new(status, "ERR_RATE_LIMITED", description).retry_after(wait)
    }

    /// The route takes other methods only.
    pub(super) fn method_not_allowed(allowed: &'static str) -> Self {
        let mut error = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "ERR_METHOD_NOT_ALLOWED",
            format!("This route takes {allowed} requests."),
        );
        error.headers.push(("allow", allowed.to_owned()));
        error
    }

    /// The body, or what would be stored of it, is larger than allowed.
    pub(super) fn too_large(max: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "ERR_BODY_TOO_LARGE",
            format!("The request is larger than {max} bytes."),
        )
    }

    /// The JSON has more nested arrays and objects than allowed.
    pub(super) fn too_deep(max: usize) -> Self {
        Self::bad_request(
            "ERR_JSON_TOO_DEEP",
            format!("The JSON is nested more than {max} deep."),
        )
    }

    /// `expiresAt` cannot be read, or is past.
    pub(super) fn invalid_expiry() -> Self {
        Self::bad_request(
            "ERR_INVALID_EXPIRY",
            "expiresAt must be an ISO 8601 date or milliseconds since 1970, and still to come.",
        )
    }

    /// The body is encoded. The signature covers the bytes that came, so the server does not decode them.
    pub(super) fn encoded_body() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "ERR_AUTH_BODY",
            "The request body must be sent without a content-encoding.",
        )
    }

    fn blocked(recipients: &[IdentityKey]) -> Self {
        let keys: Vec<String> = recipients.iter().map(IdentityKey::to_hex).collect();
        let description = format!("Blocked recipients: {}", keys.join(", "));
        let details = Details {
            blocked_recipients: Some(keys),
            ..Details::default()
        };
        Self::new(StatusCode::FORBIDDEN, "ERR_DELIVERY_BLOCKED", description).with_details(details)
    }

    pub(super) fn body(&self) -> Vec<u8> {
        let body = ErrorBody {
            status: "error",
            code: self.code,
            description: &self.description,
            details: &self.details,
        };
        // Strings always serialize.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

/// For `map_err`: a failure of the store. `code` and `description` are the route's words for an internal error.
pub(super) fn store_error(
    code: &'static str,
    description: &'static str,
) -> impl FnOnce(DbError) -> ApiError {
    move |error| match error {
        DbError::Overloaded => ApiError::overloaded(),
        DbError::TooLarge(max) => ApiError::too_large(max),
        DbError::LowDisk => ApiError::storage_full(),
        DbError::NotCounted(refusal) => ApiError::authentication_failed(refusal.to_string()),
        error => {
            log::error!("{code}: {error}");
            ApiError::internal(code, description)
        }
    }
}

/// For `map_err`: a failure of the store for which the route has no words of its own.
pub(super) fn internal_store_error(error: DbError) -> ApiError {
    store_error("ERR_INTERNAL", INTERNAL)(error)
}

/// An operation of the server did not finish.
impl From<NotDone> for ApiError {
    fn from(_: NotDone) -> Self {
        Self::internal("ERR_INTERNAL", INTERNAL)
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        Self::authentication_failed(error.to_string())
    }
}

/// The operator does not serve the identity.
impl From<NotServed> for ApiError {
    fn from(refused: NotServed) -> Self {
        let code = match refused {
            NotServed::Blocked => "ERR_IDENTITY_BLOCKED",
            NotServed::NotAllowed => "ERR_IDENTITY_NOT_ALLOWED",
        };
        Self::new(StatusCode::FORBIDDEN, code, format!("{refused}."))
    }
}

/// The socket is one too many.
impl From<OpeningRefused> for ApiError {
    fn from(refused: OpeningRefused) -> Self {
        match refused {
            OpeningRefused::TooManyOfOne => Self::rate_limited(RETRY_OPENING),
            OpeningRefused::TooManyOfAll => Self::overloaded().retry_after(RETRY_OPENING),
        }
    }
}

impl From<DeliveryError> for ApiError {
    fn from(error: DeliveryError) -> Self {
        match error {
            DeliveryError::MessageIdTaken => Self::bad_request(
                "ERR_DUPLICATE_MESSAGE",
                Refusal::DuplicateMessage.to_string(),
            ),
            DeliveryError::TooLarge(max) => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "ERR_MESSAGE_BODY_TOO_LARGE",
                format!(
                    "The message is larger than {max} bytes as a list shows it: JSON, with its payment. Send less, or in parts."
                ),
            ),
            DeliveryError::MessageId => Self::bad_request(
                "ERR_INVALID_MESSAGEID",
                "Each messageId must have 1 to 256 bytes, without U+0000.",
            ),
            DeliveryError::MessageBox => {
                Self::bad_request("ERR_INVALID_MESSAGEBOX", "Invalid message box.")
            }
            DeliveryError::Expired => Self::invalid_expiry(),
            DeliveryError::Blocked(recipients) => Self::blocked(&recipients),
            DeliveryError::Full(exceeded) => Self::quota_exceeded(&exceeded),
            DeliveryError::PaymentRequired(_) => PaymentError::MissingTransaction.into(),
            DeliveryError::Payment(error) => error.into(),
            DeliveryError::Cashier(error @ ReceiveError::Refused) => {
                Self::bad_request("ERR_INSUFFICIENT_PAYMENT", error.to_string())
            }
            DeliveryError::Cashier(error @ ReceiveError::Failed(_)) => {
                Self::internal("ERR_INTERNALIZE_FAILED", error.to_string())
            }
            DeliveryError::Store(error) => internal_store_error(error),
        }
    }
}

impl From<PaymentError> for ApiError {
    fn from(error: PaymentError) -> Self {
        let code = match error {
            PaymentError::MissingTransaction => "ERR_MISSING_PAYMENT_TX",
            PaymentError::MissingDeliveryOutput => "ERR_MISSING_DELIVERY_OUTPUT",
            PaymentError::TooFewOutputs { .. } | PaymentError::TooFewRemaining { .. } => {
                "ERR_INSUFFICIENT_OUTPUTS"
            }
            PaymentError::MissingRecipientOutput(_) => "ERR_MISSING_RECIPIENT_OUTPUTS",
            PaymentError::Invalid(_) | PaymentError::OutputForNobody => "ERR_INVALID_PAYMENT",
            PaymentError::Insufficient(_) => "ERR_INSUFFICIENT_PAYMENT",
            PaymentError::Reused(_) => "ERR_PAYMENT_REUSED",
            PaymentError::Headers(_) => {
                return Self::internal("ERR_PAYMENT_UNVERIFIED", error.to_string());
            }
        };
        Self::bad_request(code, error.to_string())
    }
}
