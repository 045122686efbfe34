//! Why bytes do not parse as an Engine.IO packet or payload.

use thiserror::Error;

/// A text, frame or payload violates the packet encoding. The client is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The text is empty, so it has no packet type.
    #[error("empty packet")]
    Empty,
    /// The first character is not `0` to `6` (or `b` in a payload).
    #[error("unknown packet type")]
    UnknownType,
    /// A packet type without data is followed by data.
    #[error("unexpected data after the packet type")]
    UnexpectedData,
    /// The data of a `b` packet is not base64.
    #[error("invalid base64 in a binary packet")]
    Base64,
    /// The payload is not UTF-8.
    #[error("payload is not valid UTF-8")]
    Utf8,
    /// The payload has more packets than `max_packets_per_payload`.
    #[error("too many packets in one payload")]
    TooManyPackets,
}
