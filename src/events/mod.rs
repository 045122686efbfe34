//! Application events of the AuthSocket channel: names, payloads and refusals.
//!
//! A client event is the payload of a verified general message, `{"eventName":...,"data":...}`. The server encodes its
//! own events to such a payload and signs them. Source: AuthSocket `AsyncAPI` 1.0.0.
#![warn(missing_docs)]

mod client_event;
mod fields;
mod plain;
mod readable;
mod refusal;
mod server_event;

pub use client_event::{
    AUTHENTICATED, Authenticated, ClientEvent, JOIN_ROOM, LEAVE_ROOM, SendMessage, SendRefused,
    expiry,
};
pub use plain::{PlainRefusal, refuse_plain};
pub use readable::{
    MAX_EVENT_BYTES, MAX_EVENT_NAME_BYTES, MAX_MESSAGE_BOX_BYTES, SEND_MESSAGE, SEND_MESSAGE_ACK,
    is_event_name, is_live_room, is_message_box,
};
pub use refusal::{MAX_MESSAGE_ID_BYTES, MAX_ROOM_ID_CHARS, Refusal, is_message_id};
pub use server_event::{
    AUTHENTICATION_FAILED, AUTHENTICATION_SUCCESS, JOIN_FAILED, JOINED_ROOM, KEEP_ALIVE,
    LEAVE_FAILED, LEFT_ROOM, LiveMessage, MESSAGE_FAILED, PAYMENT_FAILED, ServerEvent,
};

/// The Socket.IO event that carries every auth message, in both directions.
pub const AUTH_MESSAGE: &str = "authMessage";
