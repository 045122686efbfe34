//! Packets, and the two ways in which they are encoded: as frames and as payloads.

mod error;
mod frame;
mod packet;
mod payload;
mod shared_frame;

pub use error::DecodeError;
pub use frame::Frame;
pub use packet::{Data, Packet};
pub use payload::{decode_payload, encode_payload};
pub use shared_frame::SharedFrame;
