//! The one path that a message takes, however it came in: checks, fees, payment, storage, acknowledgement, live
//! delivery.

mod error;
mod live;
mod request_price;
mod submit;
mod till;

pub use error::DeliveryError;
pub use request_price::{PriceError, RequestPrices};
pub use submit::{Delivery, Notify, Paying, Sent};
