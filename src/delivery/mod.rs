//! The path of every message: checks, fees, payment, storage, acknowledgement, live delivery. HTTP and sockets share it.

mod check_permits;
mod error;
mod in_flight;
mod live;
mod message_size;
mod paid_messages;
mod payment_gate;
mod request_price;
mod submit;

pub use error::DeliveryError;
pub use live::fits_live;
pub use payment_gate::{PaymentConfig, PaymentCounts};
pub use request_price::{PaidRequest, PriceError, RequestPrices};
pub use submit::{Delivery, Notify, SendStatus};
