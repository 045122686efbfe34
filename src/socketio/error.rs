//! What is no Socket.IO packet, and what a client may not do.

use thiserror::Error;

/// A text that breaks the packet encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SocketIoDecodeError {
    /// There is nothing.
    #[error("empty packet")]
    Empty,
    /// The first character is none of `0` to `6`.
    #[error("unknown packet type")]
    UnknownType,
    /// A binary packet does not say how many attachments it has.
    #[error("malformed attachment count")]
    AttachmentCount,
    /// More attachments than `max_attachments`.
    #[error("too many attachments")]
    TooManyAttachments,
    /// An ack id that is no unsigned 64-bit integer, or a missing one.
    #[error("malformed ack id")]
    AckId,
    /// The data is not the JSON that this packet type carries.
    #[error("malformed packet data")]
    Data,
    /// JSON that is nested more deeply than `max_json_depth`.
    #[error("the JSON is nested too deeply")]
    TooDeep,
    /// An event has a name that the protocol keeps for itself.
    #[error("reserved event name")]
    ReservedName,
}

/// Something for which the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// Not a packet.
    #[error(transparent)]
    Decode(#[from] SocketIoDecodeError),
    /// A text packet came while attachments were outstanding.
    #[error("a packet came before the attachments of the last one")]
    AttachmentsMissing,
    /// A binary message that no packet announced.
    #[error("an attachment came without its packet")]
    UnexpectedAttachment,
    /// More bytes than `max_attachment_bytes`.
    #[error("attachments too large")]
    AttachmentsTooLarge,
    /// A packet for a namespace that was never joined.
    #[error("a packet came for a namespace that was not joined")]
    NotJoined,
    /// A client sent what only servers send.
    #[error("a packet that only a server sends")]
    WrongDirection,
    /// No namespace was joined in time.
    #[error("no namespace was joined in time")]
    ConnectTimeout,
}
