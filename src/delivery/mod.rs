//! The one path that a message takes, however it came in: checks, storage, acknowledgement, live delivery.

mod error;
mod live;
mod submit;

pub use error::DeliveryError;
pub use submit::{Delivery, Sent};
