//! How it is said that a payment does not pay for its request.

use actix_web::http::StatusCode;

use crate::delivery::{DeliveryError, PriceError};
use crate::payments::{MultipartError, PaymentError, ReceiveError};

use super::ApiError;

/// What came with a request that has a price does not pay for it. Never 402: the coins are spent, and a client that is asked
/// for a payment again would pay twice.
impl From<PriceError> for ApiError {
    fn from(error: PriceError) -> Self {
        let description = error.to_string();
        match error {
            PriceError::Multipart(MultipartError::PaymentTooLarge) => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "ERR_MALFORMED_PAYMENT",
                description,
            ),
            PriceError::Malformed | PriceError::Several | PriceError::Multipart(_) => {
                Self::bad_request("ERR_MALFORMED_PAYMENT", description)
            }
            PriceError::DerivationPrefix => {
                Self::bad_request("ERR_INVALID_DERIVATION_PREFIX", description)
            }
            PriceError::InUse
            | PriceError::Payment(DeliveryError::Payment(PaymentError::Reused(_))) => {
                Self::new(StatusCode::CONFLICT, "ERR_PAYMENT_REPLAYED", description)
            }
            PriceError::Payment(DeliveryError::Store(error)) => {
                log::error!("ERR_PAYMENT_UNAVAILABLE: {error}");
                let description =
                    "The payment could not be stored; try again with the same payment.";
                Self::payment_unavailable(description)
            }
            PriceError::Payment(
                DeliveryError::Payment(PaymentError::Headers(_))
                | DeliveryError::Cashier(ReceiveError::Failed(_)),
            ) => Self::payment_unavailable(description),
            PriceError::Payment(DeliveryError::Cashier(ReceiveError::Refused)) => {
                Self::bad_request("ERR_PAYMENT_FAILED", description)
            }
            PriceError::Payment(_) => Self::bad_request("ERR_INVALID_PAYMENT", description),
        }
    }
}

impl ApiError {
    /// The server cannot decide about a payment now. The payer keeps it, and may bring it again.
    fn payment_unavailable(description: impl Into<String>) -> Self {
        Self {
            headers: vec![("retry-after", "1".to_owned())],
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "ERR_PAYMENT_UNAVAILABLE",
                description,
            )
        }
    }
}
