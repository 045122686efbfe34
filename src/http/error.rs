//! The one place where errors become HTTP statuses, codes and texts.

mod certificate;
mod price;
mod served;
mod storage;

use std::time::Duration;

use actix_web::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::AuthError;
use crate::db::DbError;
use crate::delivery::DeliveryError;
use crate::events::Refusal;
use crate::heavy::NotDone;
use crate::ids::IdentityKey;
use crate::payments::{PAYMENT_TRANSPORTS, PaymentError, ReceiveError};
use crate::socket::OpeningRefused;

/// A failure as clients see it: `{"status":"error","code":...,"description":...}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub description: String,
    /// What else the body says.
    pub details: Box<Details>,
    /// Headers that go with it.
    pub headers: Vec<(&'static str, String)>,
}

/// What the body of some failures says beside code and description.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// The description once more, where the middleware in use says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `ERR_DELIVERY_BLOCKED`: who blocks the sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_recipients: Option<Vec<String>>,
    /// `ERR_PAYMENT_REQUIRED`: what the request costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub satoshis_required: Option<u64>,
    /// `ERR_INBOX_QUOTA_EXCEEDED`, `ERR_SENDER_QUOTA_EXCEEDED`: `messages` or `bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<&'static str>,
    /// The same: the most that may be stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// `ERR_INBOX_QUOTA_EXCEEDED`: whose inbox is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// `ERR_NOT_READY`: what does not work, such as `database`; `draining` when the server is going down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_ready: Option<Vec<String>>,
}

/// The body of every failure.
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorBody<'a> {
    /// Always `error`.
    status: &'static str,
    /// For programs.
    code: &'a str,
    /// For people.
    description: &'a str,
    #[serde(flatten)]
    details: &'a Details,
}

impl ApiError {
    /// A mistake of the client.
    #[must_use]
    pub fn bad_request(code: &'static str, description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, description)
    }

    /// Any other.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, description: impl Into<String>) -> Self {
        Self {
            status,
            code,
            description: description.into(),
            details: Box::default(),
            headers: Vec::new(),
        }
    }

    /// The request has a price and nothing came with it. The client derives the key that it pays from `prefix`, a nonce of
    /// ours, and from `payee`, the server's identity key.
    #[must_use]
    pub fn payment_required(satoshis: u64, prefix: String, payee: IdentityKey) -> Self {
        let description =
            "A BSV payment is required to complete this request. Provide the X-BSV-Payment header.";
        Self {
            details: Box::new(Details {
                satoshis_required: Some(satoshis),
                ..Details::default()
            }),
            headers: vec![
                ("x-bsv-payment-version", PAYMENT_VERSION.to_owned()),
                ("x-bsv-payment-satoshis-required", satoshis.to_string()),
                ("x-bsv-payment-derivation-prefix", prefix),
                ("x-bsv-payment-transports", PAYMENT_TRANSPORTS.to_owned()),
                // The Ruby SDK takes the payee from here.
                ("x-bsv-identity-key", payee.to_hex()),
            ],
            ..Self::new(
                StatusCode::PAYMENT_REQUIRED,
                "ERR_PAYMENT_REQUIRED",
                description,
            )
        }
    }

    /// The request carries no authentication at all.
    #[must_use]
    pub fn unauthenticated() -> Self {
        let message = "Mutual-authentication failed!";
        let description = format!(
            "{message} Missing header: x-bsv-auth-version. Requests are signed as in BRC-104."
        );
        Self {
            details: Box::new(Details {
                message: Some(message.to_owned()),
                ..Details::default()
            }),
            ..Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", description)
        }
    }

    /// The request's authentication is wrong. Always 401: the published client shakes hands again after
    /// that, and after nothing else.
    #[must_use]
    pub fn authentication_failed(description: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "ERR_AUTH_FAILED", description)
    }

    /// So much is under way that no more is taken.
    #[must_use]
    pub fn overloaded() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ERR_OVERLOADED",
            "The server is overloaded, try again later.",
        )
    }

    /// What other nodes have seen is not known, and the operator would rather refuse than serve a request twice.
    #[must_use]
    pub fn replay_unchecked() -> Self {
        Self {
            headers: vec![("retry-after", "1".to_owned())],
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "ERR_REPLAY_UNCHECKED",
                "Whether the request is a replay cannot be checked now, try again later.",
            )
        }
    }

    /// More requests came than may come in that time; `wait` until there is room for one.
    #[must_use]
    pub fn rate_limited(wait: Duration) -> Self {
        let seconds = wait.as_millis().div_ceil(1_000).max(1);
        Self {
            headers: vec![("retry-after", seconds.to_string())],
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "ERR_RATE_LIMITED",
                "Too many requests, try again later.",
            )
        }
    }

    /// JSON.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
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

/// The version of the payment headers, which clients insist on.
const PAYMENT_VERSION: &str = "1.0";

/// A socket that is not begun.
impl From<OpeningRefused> for ApiError {
    fn from(refused: OpeningRefused) -> Self {
        match refused {
            OpeningRefused::TooManyOfOne => Self::rate_limited(RETRY_OPENING),
            OpeningRefused::TooManyOfAll => Self {
                headers: vec![("retry-after", RETRY_OPENING.as_secs().to_string())],
                ..Self::overloaded()
            },
        }
    }
}

/// When a socket may be tried again that was one too many.
const RETRY_OPENING: Duration = Duration::from_secs(5);

impl From<NotDone> for ApiError {
    fn from(_: NotDone) -> Self {
        Self::internal("ERR_INTERNAL", "An internal error has occurred.")
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        Self::authentication_failed(error.to_string())
    }
}

/// A failure of the store, where `code` and `description` are the route's own words for an internal error.
pub(super) fn store_error(
    error: &DbError,
    code: &'static str,
    description: &'static str,
) -> ApiError {
    if *error == DbError::Overloaded {
        return ApiError::overloaded();
    }
    if let DbError::TooLarge(max) = error {
        return ApiError::too_large(*max);
    }
    if *error == DbError::LowDisk {
        return ApiError::storage_full();
    }
    if let DbError::NotCounted(refusal) = error {
        return ApiError::authentication_failed(refusal.to_string());
    }
    log::error!("{code}: {error}");
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, code, description)
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
            DeliveryError::Store(error) => {
                store_error(&error, "ERR_INTERNAL", "An internal error has occurred.")
            }
        }
    }
}

impl ApiError {
    /// Requests of other methods only.
    pub(super) fn method_not_allowed(allowed: &'static str) -> Self {
        Self {
            headers: vec![("allow", allowed.to_owned())],
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "ERR_METHOD_NOT_ALLOWED",
                format!("This route takes {allowed} requests."),
            )
        }
    }

    /// Not the client's doing.
    pub(super) fn internal(code: &'static str, description: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, description)
    }

    /// The body, or what would be stored of it, is larger than allowed.
    pub(super) fn too_large(max: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "ERR_BODY_TOO_LARGE",
            format!("The request is larger than {max} bytes."),
        )
    }

    /// The body holds too much within each other.
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

    /// The body is encoded. The signature covers the bytes that came, so nothing decodes them.
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
        Self {
            details: Box::new(Details {
                blocked_recipients: Some(keys),
                ..Details::default()
            }),
            ..Self::new(StatusCode::FORBIDDEN, "ERR_DELIVERY_BLOCKED", description)
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
