//! The events of the server, encoded as the payload of a general message.

use serde::Serialize;

use crate::ids::RoomId;
use crate::json_text;

use super::readable::{SEND_MESSAGE, SEND_MESSAGE_ACK};
use super::refusal::Refusal;

/// Server: confirms the identity of the client.
pub const AUTHENTICATION_SUCCESS: &str = "authenticationSuccess";
/// Server: refuses the identity of the client.
pub const AUTHENTICATION_FAILED: &str = "authenticationFailed";
/// Server: confirms that the client is a member of the room.
pub const JOINED_ROOM: &str = "joinedRoom";
/// Server: refuses to let the client join the room.
pub const JOIN_FAILED: &str = "joinFailed";
/// Server: confirms that the client left the room.
pub const LEFT_ROOM: &str = "leftRoom";
/// Server: refuses to let the client leave the room.
pub const LEAVE_FAILED: &str = "leaveFailed";
/// Server: sent after a quiet period, and first in each session that the server starts. It keeps the client's session
/// alive. Clients have no handler for it.
pub const KEEP_ALIVE: &str = "keepAlive";
/// Server: refuses a message.
pub const MESSAGE_FAILED: &str = "messageFailed";
/// Server: refuses a message because of its sender or its payment.
pub const PAYMENT_FAILED: &str = "paymentFailed";

/// A message for live delivery. The fields have the documented order; those that other clients expect follow.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct LiveMessage<'a> {
    /// The identity key that signed the message, 66 hexadecimal characters.
    pub sender: &'a str,
    /// The sender's id for the message.
    #[serde(rename = "messageId")]
    pub message_id: &'a str,
    /// The body as the sender wrote it.
    pub body: &'a str,
    /// The identity key of the recipient.
    pub recipient: &'a str,
    /// The name of the recipient's box.
    #[serde(rename = "messageBox")]
    pub message_box: &'a str,
    /// When the server stored the message, ISO 8601. The Rust client refuses a message with both spellings of this
    /// name.
    #[serde(rename = "createdAt")]
    pub created_at: &'a str,
    /// The same time again, for clients that expect this field.
    #[serde(rename = "updatedAt")]
    pub updated_at: &'a str,
}

impl LiveMessage<'_> {
    /// Size in bytes of the event that delivers this message in a room.
    #[must_use]
    pub fn event_bytes(self, room: &RoomId) -> usize {
        let without_body = ServerEvent::Message(room, LiveMessage { body: "", ..self });
        // Both include the quotation marks.
        without_body.encode().len() + json_text::encoded_len(self.body) - 2
    }
}

/// An event of the server, ready to encode.
#[derive(Debug, Clone, Copy)]
pub enum ServerEvent<'a> {
    /// `authenticationSuccess`: confirms the identity of the client.
    AuthenticationSuccess,
    /// `authenticationFailed`: refuses the identity of the client.
    AuthenticationFailed(Refusal),
    /// `joinedRoom`: confirms that the client joined.
    JoinedRoom(&'a RoomId),
    /// `joinFailed`: refuses a `joinRoom`.
    JoinFailed(Refusal),
    /// `leftRoom`: confirms that the client left.
    LeftRoom(&'a RoomId),
    /// `leaveFailed`: refuses a `leaveRoom`.
    LeaveFailed(Refusal),
    /// `sendMessageAck-<room>`: the message is stored.
    Acked {
        /// The room as the sender wrote it.
        room: &'a RoomId,
        /// The sender's id for the message.
        message_id: &'a str,
        /// Whether the message is small enough for live delivery.
        is_live: bool,
        /// Whether an earlier send stored the message, so that this one stored nothing.
        is_already_sent: bool,
    },
    /// `sendMessageAck-<room>`: the message is not stored. The client need not wait for its timeout.
    NotAcked(&'a RoomId, Option<&'a str>, Refusal),
    /// `sendMessage-<room>`: delivers a message.
    Message(&'a RoomId, LiveMessage<'a>),
    /// `messageFailed`: refuses a message.
    MessageFailed(Refusal),
    /// `paymentFailed`: refuses a message because of its sender or its payment.
    PaymentFailed(Refusal),
    /// `keepAlive`: keeps the client's session alive.
    KeepAlive,
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    #[serde(rename = "eventName")]
    name: &'a str,
    data: T,
}

#[derive(Serialize)]
struct Reason {
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct Room<'a> {
    #[serde(rename = "roomId")]
    room: &'a str,
}

#[derive(Serialize)]
struct Ack<'a> {
    status: &'a str,
    #[serde(rename = "messageId", skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a str>,
    #[serde(rename = "alreadySent", skip_serializing_if = "Option::is_none")]
    already_sent: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

#[derive(Serialize)]
struct Status<'a> {
    status: &'a str,
}

impl ServerEvent<'_> {
    /// Encodes the event as a payload: `{"eventName":...,"data":...}`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let reason = |refusal: Refusal| Reason {
            reason: refusal.to_string(),
            code: refusal.wire_code(),
        };
        match self {
            Self::AuthenticationSuccess => {
                envelope(AUTHENTICATION_SUCCESS, Status { status: "success" })
            }
            Self::AuthenticationFailed(refusal) => {
                envelope(AUTHENTICATION_FAILED, reason(*refusal))
            }
            Self::JoinedRoom(room) => envelope(
                JOINED_ROOM,
                Room {
                    room: room.as_str(),
                },
            ),
            Self::JoinFailed(refusal) => envelope(JOIN_FAILED, reason(*refusal)),
            Self::LeftRoom(room) => envelope(
                LEFT_ROOM,
                Room {
                    room: room.as_str(),
                },
            ),
            Self::LeaveFailed(refusal) => envelope(LEAVE_FAILED, reason(*refusal)),
            Self::Acked {
                room,
                message_id,
                is_live,
                is_already_sent,
            } => {
                let ack = Ack {
                    status: "success",
                    message_id: Some(message_id),
                    already_sent: is_already_sent.then_some(true),
                    live: (!is_live).then_some(false),
                    reason: None,
                    code: None,
                };
                envelope(&format!("{SEND_MESSAGE_ACK}-{room}"), ack)
            }
            Self::NotAcked(room, message_id, refusal) => {
                let ack = Ack {
                    status: "error",
                    message_id: *message_id,
                    already_sent: None,
                    live: None,
                    reason: Some(refusal.to_string()),
                    code: refusal.wire_code(),
                };
                envelope(&format!("{SEND_MESSAGE_ACK}-{room}"), ack)
            }
            Self::Message(room, message) => envelope(&format!("{SEND_MESSAGE}-{room}"), message),
            Self::MessageFailed(refusal) => envelope(MESSAGE_FAILED, reason(*refusal)),
            Self::PaymentFailed(refusal) => envelope(PAYMENT_FAILED, reason(*refusal)),
            Self::KeepAlive => envelope(KEEP_ALIVE, Nothing {}),
        }
    }
}

fn envelope(name: &str, data: impl Serialize) -> Vec<u8> {
    // Strings always serialize.
    serde_json::to_vec(&Envelope { name, data }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_written_as_documented() {
        let room = RoomId::new("r-box");
        let acked = |is_live, is_already_sent| ServerEvent::Acked {
            room: &room,
            message_id: "1",
            is_live,
            is_already_sent,
        };
        let message = LiveMessage {
            sender: "02s",
            message_id: "1",
            body: "{\"a\":1}",
            recipient: "02r",
            message_box: "box",
            created_at: "t",
            updated_at: "t",
        };
        let cases = [
            (
                ServerEvent::AuthenticationSuccess,
                r#"{"eventName":"authenticationSuccess","data":{"status":"success"}}"#,
            ),
            (
                ServerEvent::AuthenticationFailed(Refusal::MissingIdentityKey),
                r#"{"eventName":"authenticationFailed","data":{"reason":"Missing identity key"}}"#,
            ),
            (
                ServerEvent::JoinedRoom(&room),
                r#"{"eventName":"joinedRoom","data":{"roomId":"r-box"}}"#,
            ),
            (
                ServerEvent::JoinFailed(Refusal::RoomId),
                r#"{"eventName":"joinFailed","data":{"reason":"Invalid room ID","code":"ERR_WEBSOCKET_INVALID_ROOM"}}"#,
            ),
            (
                ServerEvent::LeftRoom(&room),
                r#"{"eventName":"leftRoom","data":{"roomId":"r-box"}}"#,
            ),
            (
                ServerEvent::LeaveFailed(Refusal::RoomId),
                r#"{"eventName":"leaveFailed","data":{"reason":"Invalid room ID","code":"ERR_WEBSOCKET_INVALID_ROOM"}}"#,
            ),
            (
                acked(false, false),
                r#"{"eventName":"sendMessageAck-r-box","data":{"status":"success","messageId":"1","live":false}}"#,
            ),
            (
                acked(true, false),
                r#"{"eventName":"sendMessageAck-r-box","data":{"status":"success","messageId":"1"}}"#,
            ),
            (
                acked(true, true),
                r#"{"eventName":"sendMessageAck-r-box","data":{"status":"success","messageId":"1","alreadySent":true}}"#,
            ),
            (
                ServerEvent::NotAcked(&room, None, Refusal::MessageId),
                r#"{"eventName":"sendMessageAck-r-box","data":{"status":"error","reason":"Invalid message ID","code":"ERR_INVALID_MESSAGEID"}}"#,
            ),
            (
                ServerEvent::MessageFailed(Refusal::NotStored),
                r#"{"eventName":"messageFailed","data":{"reason":"Failed to store message","code":"ERR_MESSAGE_REJECTED"}}"#,
            ),
            (
                ServerEvent::PaymentFailed(Refusal::Blocked),
                r#"{"eventName":"paymentFailed","data":{"reason":"The recipient has blocked you","code":"ERR_DELIVERY_BLOCKED"}}"#,
            ),
            (
                ServerEvent::KeepAlive,
                r#"{"eventName":"keepAlive","data":{}}"#,
            ),
            (
                ServerEvent::Message(&room, message),
                r#"{"eventName":"sendMessage-r-box","data":{"sender":"02s","messageId":"1","body":"{\"a\":1}","recipient":"02r","messageBox":"box","createdAt":"t","updatedAt":"t"}}"#,
            ),
        ];
        for (event, expected) in cases {
            assert_eq!(String::from_utf8(event.encode()).unwrap(), expected);
        }
    }

    #[test]
    fn the_size_of_an_event_is_known_before_it_is_made() {
        let room = RoomId::new("r-box");
        for body in ["", "plain", "\"\\\n\u{1}é"] {
            let message = LiveMessage {
                sender: "02s",
                message_id: "1",
                body,
                recipient: "02r",
                message_box: "box",
                created_at: "",
                updated_at: "",
            };
            let made = ServerEvent::Message(&room, message).encode();
            assert_eq!(message.event_bytes(&room), made.len());
        }
    }
}
