//! What is no Engine.IO packet or payload.

use thiserror::Error;

/// A text, frame or payload that breaks the packet encoding. Always the other end's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// There is no packet type because there is nothing at all.
    #[error("empty packet")]
    Empty,
    /// The first character is none of `0` to `6` (or `b` in a payload).
    #[error("unknown packet type")]
    UnknownType,
    /// A packet that carries no data has some.
    #[error("unexpected data after the packet type")]
    UnexpectedData,
    /// A `b` packet is not base64.
    #[error("invalid base64 in a binary packet")]
    Base64,
    /// A payload is not UTF-8.
    #[error("payload is not valid UTF-8")]
    Utf8,
    /// More packets than `max_packets_per_payload`.
    #[error("too many packets in one payload")]
    TooManyPackets,
}
