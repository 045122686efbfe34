//! Why a text does not parse as a Socket.IO packet, and how a client violates the protocol.

use thiserror::Error;

/// A text violates the packet encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SocketIoDecodeError {
    /// The text is empty, so it has no packet type.
    #[error("empty packet")]
    Empty,
    /// The first character is not `0` to `6`.
    #[error("unknown packet type")]
    UnknownType,
    /// A binary packet has no attachment count, or a malformed one.
    #[error("malformed attachment count")]
    AttachmentCount,
    /// The packet announces more attachments than `max_attachments`.
    #[error("too many attachments")]
    TooManyAttachments,
    /// The ack id is missing, or not an unsigned 64-bit integer.
    #[error("malformed ack id")]
    AckId,
    /// The data is not the JSON that this packet type requires.
    #[error("malformed packet data")]
    Data,
    /// The JSON is nested deeper than `max_json_depth`.
    #[error("the JSON is nested too deeply")]
    TooDeep,
    /// The event has a name that the protocol reserves.
    #[error("reserved event name")]
    ReservedName,
}

/// A protocol violation. The server closes the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// The text does not parse as a packet.
    #[error(transparent)]
    Decode(#[from] SocketIoDecodeError),
    /// A text packet arrived while attachments were outstanding.
    #[error("a packet came before the attachments of the last one")]
    AttachmentsMissing,
    /// A binary message arrived that no packet announced.
    #[error("an attachment came without its packet")]
    UnexpectedAttachment,
    /// A packet and its attachments exceed `max_attachment_bytes`.
    #[error("attachments too large")]
    AttachmentsTooLarge,
    /// A packet names a namespace that the client never joined.
    #[error("a packet came for a namespace that was not joined")]
    NotJoined,
    /// The client sent a packet type that only servers send.
    #[error("a packet that only a server sends")]
    WrongDirection,
    /// The client joined no namespace within `connect_timeout`.
    #[error("no namespace was joined in time")]
    ConnectTimeout,
}
