//! Why an event is refused, in the words of the servers in use where they have some.

use thiserror::Error;

use crate::js_trim::is_js_blank;
use crate::json_unicode::HALF_A_PAIR;
use crate::model::NotServed;

/// Longest message id, in bytes.
pub const MAX_MESSAGE_ID_BYTES: usize = 256;
/// Longest room id, in characters: a key, a dash, and a box of 255 characters, which earlier versions accepted.
pub const MAX_ROOM_ID_CHARS: usize = 66 + 1 + 255;

/// Whether a text can be a message's id. Not every database stores U+0000.
#[must_use]
pub fn is_message_id(text: &str) -> bool {
    !is_js_blank(text) && text.len() <= MAX_MESSAGE_ID_BYTES && !text.contains('\0')
}

/// A reason; its `Display` is the `reason` on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// `authenticated` without a key.
    #[error("Missing identity key")]
    MissingIdentityKey,
    /// `authenticated` with something that is no key.
    #[error("Invalid identity key format")]
    IdentityKeyFormat,
    /// `authenticated` with a key that is not the one that signed.
    #[error("The identity key is not the one that signed this event")]
    IdentityMismatch,
    /// The operator does not serve the identity.
    #[error("{0}")]
    NotServed(NotServed),
    /// The identity has as many sockets as it may have.
    #[error("Too many sockets of this identity")]
    TooManySockets,
    /// No room id, or one that is malformed or too long.
    #[error("Invalid room ID")]
    RoomId,
    /// A box whose name clients cannot read in the name of an event.
    #[error("Invalid message box")]
    MessageBox,
    /// A room of somebody else.
    #[error("The room belongs to another identity")]
    ForeignRoom,
    /// The socket is in as many rooms as it may be in.
    #[error("Too many rooms")]
    TooManyRooms,
    /// More objects and arrays within each other than the server reads.
    #[error("The JSON is nested too deeply")]
    JsonDepth,
    /// `sendMessage` without an object.
    #[error("Invalid data object")]
    DataObject,
    /// `sendMessage` without a message.
    #[error("Invalid message object")]
    MessageObject,
    /// A body that is not a string with something in it.
    #[error("Invalid message body")]
    MessageBody,
    /// A body with half of a surrogate pair, which JavaScript strings may hold and texts may not.
    #[error("Invalid message body: {HALF_A_PAIR}")]
    NotUnicode,
    /// A message id that is not a string, blank, or too long.
    #[error("Invalid message ID")]
    MessageId,
    /// A recipient that is no key, or not the room's owner.
    #[error("The recipient is not the owner of the room")]
    Recipient,
    /// Another sender has used this id for this recipient, or the same one has in another box.
    #[error(
        "Duplicate message: this messageId is in use for this recipient, in another box or by another sender. Send it with a new messageId."
    )]
    DuplicateMessage,
    /// A message that clients could not list.
    #[error("The message is too large")]
    TooLarge,
    /// `expiresAt` is not a time that is still to come.
    #[error("Invalid expiry")]
    Expiry,
    /// The recipient blocks the sender.
    #[error("The recipient has blocked you")]
    Blocked,
    /// There is a fee to pay, which is done over HTTP.
    #[error("A payment is required: send this message over HTTP with its payment")]
    PaymentRequired,
    /// The message could not be stored.
    #[error("Failed to store message")]
    NotStored,
    /// The recipient has as many messages as it may have, or as many bytes of them.
    #[error("The inbox of the recipient is full")]
    InboxFull,
    /// Of the sender, as many messages are stored as may be, or as many bytes of them.
    #[error("You have as many undelivered messages as you may have")]
    SenderFull,
    /// The server's disk has no room for more messages.
    #[error("The server has no room for more messages, try again later")]
    StorageFull,
    /// The server has too much to do; trying again later may help.
    #[error("The server is overloaded, try again later")]
    Overloaded,
}

impl Refusal {
    /// The word that it is counted under.
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

    /// The `code` on the wire, where the servers in use send one. Clients that know none ignore it.
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

    /// Whether it is about who sends or what is paid, which has an event of its own: `paymentFailed`.
    #[must_use]
    pub const fn is_about_payment(self) -> bool {
        matches!(self, Self::Blocked | Self::PaymentRequired)
    }
}
