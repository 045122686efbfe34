//! Why the server refuses an event. The texts are those of the servers in use where they have one.

use thiserror::Error;

use crate::js_trim::is_js_blank;
use crate::json_unicode::HALF_A_PAIR;
use crate::model::NotServed;

/// Longest message id in bytes.
pub const MAX_MESSAGE_ID_BYTES: usize = 256;
/// Longest room id in characters: a key, a dash, and a box name of 255 characters, which earlier versions accepted.
pub const MAX_ROOM_ID_CHARS: usize = 66 + 1 + 255;

/// Whether a text can be a message id. Not every database can store U+0000.
#[must_use]
pub fn is_message_id(text: &str) -> bool {
    !is_js_blank(text) && text.len() <= MAX_MESSAGE_ID_BYTES && !text.contains('\0')
}

/// Why an event is refused. Its `Display` is the `reason` on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// `authenticated` has no key.
    #[error("Missing identity key")]
    MissingIdentityKey,
    /// `authenticated` has a malformed key.
    #[error("Invalid identity key format")]
    IdentityKeyFormat,
    /// `authenticated` names another key than the one that signed the event.
    #[error("The identity key is not the one that signed this event")]
    IdentityMismatch,
    /// The operator does not serve this identity.
    #[error("{0}")]
    NotServed(NotServed),
    /// The identity has reached its limit of sockets.
    #[error("Too many sockets of this identity")]
    TooManySockets,
    /// The room id is missing, malformed or too long.
    #[error("Invalid room ID")]
    RoomId,
    /// Clients cannot read the name of the box in the name of an event.
    #[error("Invalid message box")]
    MessageBox,
    /// The room belongs to another identity.
    #[error("The room belongs to another identity")]
    ForeignRoom,
    /// The socket has reached its limit of rooms.
    #[error("Too many rooms")]
    TooManyRooms,
    /// The JSON is nested too deeply.
    #[error("The JSON is nested too deeply")]
    JsonDepth,
    /// `sendMessage` has no data object.
    #[error("Invalid data object")]
    DataObject,
    /// `sendMessage` has no message object.
    #[error("Invalid message object")]
    MessageObject,
    /// The body is not a string, or blank.
    #[error("Invalid message body")]
    MessageBody,
    /// The body has half of a surrogate pair. JavaScript strings may contain one, Unicode text may not.
    #[error("Invalid message body: {HALF_A_PAIR}")]
    NotUnicode,
    /// The message id is not a string, blank, or too long.
    #[error("Invalid message ID")]
    MessageId,
    /// The recipient is not a key, or does not own the room.
    #[error("The recipient is not the owner of the room")]
    Recipient,
    /// This recipient already has a message with this id, from another sender or in another box.
    #[error(
        "Duplicate message: this messageId is in use for this recipient, in another box or by another sender. Send it with a new messageId."
    )]
    DuplicateMessage,
    /// The message is too large for clients to list.
    #[error("The message is too large")]
    TooLarge,
    /// `expiresAt` is malformed or in the past.
    #[error("Invalid expiry")]
    Expiry,
    /// The recipient blocks the sender.
    #[error("The recipient has blocked you")]
    Blocked,
    /// The message requires a payment, which only HTTP accepts.
    #[error("A payment is required: send this message over HTTP with its payment")]
    PaymentRequired,
    /// The server could not store the message.
    #[error("Failed to store message")]
    NotStored,
    /// The recipient has reached its quota of messages or bytes.
    #[error("The inbox of the recipient is full")]
    InboxFull,
    /// The sender has reached its quota of undelivered messages or bytes.
    #[error("You have as many undelivered messages as you may have")]
    SenderFull,
    /// The server's disk has no space for more messages.
    #[error("The server has no room for more messages, try again later")]
    StorageFull,
    /// The server is overloaded. The client may retry later.
    #[error("The server is overloaded, try again later")]
    Overloaded,
}

impl Refusal {
    /// The word that counts this refusal in metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::MissingIdentityKey => "missing_identity_key",
            Self::IdentityKeyFormat => "identity_key_format",
            Self::IdentityMismatch => "identity_mismatch",
            Self::NotServed(NotServed::Blocked) => "identity_blocked",
            Self::NotServed(NotServed::NotAllowed) => "identity_not_allowed",
            Self::TooManySockets => "too_many_sockets",
            Self::RoomId => "room_id",
            Self::MessageBox => "message_box",
            Self::ForeignRoom => "foreign_room",
            Self::TooManyRooms => "too_many_rooms",
            Self::JsonDepth => "json_depth",
            Self::DataObject => "data_object",
            Self::MessageObject => "message_object",
            Self::MessageBody => "message_body",
            Self::NotUnicode => "not_unicode",
            Self::MessageId => "message_id",
            Self::Recipient => "recipient",
            Self::DuplicateMessage => "duplicate_message",
            Self::TooLarge => "too_large",
            Self::Expiry => "expiry",
            Self::Blocked => "blocked",
            Self::PaymentRequired => "payment_required",
            Self::NotStored => "not_stored",
            Self::InboxFull => "inbox_full",
            Self::SenderFull => "sender_full",
            Self::StorageFull => "storage_full",
            Self::Overloaded => "overloaded",
        }
    }

    /// The `code` on the wire, if the servers in use send one. Clients that use no codes ignore it.
    #[must_use]
    pub const fn wire_code(self) -> Option<&'static str> {
        Some(match self {
            Self::MissingIdentityKey
            | Self::IdentityKeyFormat
            | Self::IdentityMismatch
            | Self::NotServed(_)
            | Self::TooManySockets => return None,
            Self::RoomId => "ERR_WEBSOCKET_INVALID_ROOM",
            Self::ForeignRoom => "ERR_WEBSOCKET_ROOM_NOT_OWNED",
            Self::TooManyRooms => "ERR_WEBSOCKET_ROOM_LIMIT",
            Self::MessageBox => "ERR_INVALID_MESSAGEBOX",
            Self::JsonDepth | Self::DataObject => "ERR_INVALID_REQUEST_DATA",
            Self::MessageObject => "ERR_MESSAGE_REQUIRED",
            Self::MessageBody | Self::NotUnicode => "ERR_INVALID_MESSAGE_BODY",
            Self::MessageId => "ERR_INVALID_MESSAGEID",
            Self::Recipient => "ERR_INVALID_RECIPIENT_KEY",
            Self::DuplicateMessage => "ERR_DUPLICATE_MESSAGE",
            Self::TooLarge => "ERR_MESSAGE_BODY_TOO_LARGE",
            Self::Blocked => "ERR_DELIVERY_BLOCKED",
            Self::PaymentRequired => "ERR_PAYMENT_REQUIRES_AUTHFETCH",
            Self::InboxFull => "ERR_INBOX_QUOTA_EXCEEDED",
            Self::SenderFull => "ERR_SENDER_QUOTA_EXCEEDED",
            Self::StorageFull => "ERR_STORAGE_FULL",
            Self::Overloaded => "ERR_OVERLOADED",
            Self::Expiry | Self::NotStored => "ERR_MESSAGE_REJECTED",
        })
    }

    /// Whether the refusal is sent as `paymentFailed`, because it concerns the sender or the payment.
    #[must_use]
    pub const fn is_about_payment(self) -> bool {
        matches!(self, Self::Blocked | Self::PaymentRequired)
    }
}
