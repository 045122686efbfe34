//! Payments that do not pay for their request.

use std::time::Duration;

use actix_web::http::StatusCode;

use crate::delivery::{DeliveryError, PriceError};
use crate::payments::{MultipartError, PaymentError, ReceiveError};

use super::ApiError;

/// The payment of a request does not cover its price. Never 402: the coins are spent, and a client that is asked for a
/// payment again would pay twice.
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
                undecided("The payment could not be stored; try again with the same payment.")
            }
            PriceError::Payment(
                DeliveryError::Payment(PaymentError::Headers(_))
                | DeliveryError::Cashier(ReceiveError::Failed(_)),
            ) => undecided(description),
            PriceError::Payment(DeliveryError::Cashier(ReceiveError::Refused)) => {
                Self::bad_request("ERR_PAYMENT_FAILED", description)
            }
            PriceError::Payment(_) => Self::bad_request("ERR_INVALID_PAYMENT", description),
        }
    }
}

/// The server cannot check a payment now. The payer keeps it and may send it again.
fn undecided(description: impl Into<String>) -> ApiError {
    ApiError::unavailable("ERR_PAYMENT_UNAVAILABLE", description)
        .retry_after(Duration::from_secs(1))
}
