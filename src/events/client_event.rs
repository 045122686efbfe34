//! Parses and checks the events of clients, in the documented order.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use crate::ids::RoomId;
use crate::js_trim::is_js_blank;
use crate::json_unicode::is_unicode;
use crate::throttle::Throttle;
use crate::{json_depth, json_object};

use super::fields::{Fields, text};
use super::readable::{SEND_MESSAGE, is_live_room};
use super::refusal::{MAX_ROOM_ID_CHARS, Refusal, is_message_id};

/// Client: asks the server to confirm its identity.
pub const AUTHENTICATED: &str = "authenticated";
/// Client: asks to become a member of a room.
pub const JOIN_ROOM: &str = "joinRoom";
/// Client: leaves a room.
pub const LEAVE_ROOM: &str = "leaveRoom";

/// An event of a client. Its content is checked, except for what only another layer can check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// `authenticated`: the client asks the server to confirm its identity.
    Authenticated(Result<Authenticated, Refusal>),
    /// `joinRoom`: the client asks to become a member of a room.
    JoinRoom(Result<RoomId, Refusal>),
    /// `leaveRoom`: the client leaves a room.
    LeaveRoom(Result<RoomId, Refusal>),
    /// `sendMessage`: the client asks the server to store and deliver a message.
    SendMessage(Result<SendMessage, SendRefused>),
    /// Any other name. The server ignores the event.
    Unknown(String),
    /// The payload is not `{"eventName":...,"data":...}`. The server ignores it.
    Undecodable,
}

/// The data of `authenticated`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// The identity key as the client wrote it.
    pub identity_key: String,
    /// How fast the client wants to receive frames, if it says so. The published clients do not.
    pub pace: Option<Throttle>,
}

/// The data of `sendMessage`: a message to store and deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendMessage {
    /// The room as the client wrote it.
    pub room: RoomId,
    /// The sender's id for the message, unique for each recipient.
    pub message_id: String,
    /// The recipient, if the client names one.
    pub recipient: Option<String>,
    /// A string that is not blank.
    pub body: String,
    /// When the message expires, if it does.
    pub expires_at: Option<OffsetDateTime>,
}

/// A refused `sendMessage`. It keeps the room and the id, so that the refusal reaches the event that the sender awaits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendRefused {
    /// Why the server refuses the message.
    pub refusal: Refusal,
    /// The room, if the client named a usable one.
    pub room: Option<RoomId>,
    /// The message id, if the client gave a valid one.
    pub message_id: Option<String>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "eventName", borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl ClientEvent {
    /// The name under which the event is counted: `unknown` for an event of another application.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Authenticated(_) => AUTHENTICATED,
            Self::JoinRoom(_) => JOIN_ROOM,
            Self::LeaveRoom(_) => LEAVE_ROOM,
            Self::SendMessage(_) => SEND_MESSAGE,
            Self::Unknown(_) | Self::Undecodable => "unknown",
        }
    }

    /// Parses the payload of a general message. An event that is nested deeper than `max_depth` is refused.
    #[must_use]
    pub fn parse(payload: &[u8], max_depth: usize) -> Self {
        let Ok(Envelope { name, data }) = json_object::read_bytes(payload) else {
            return Self::Undecodable;
        };
        let fits = if json_depth::is_deeper(payload, max_depth) {
            Err(Refusal::JsonDepth)
        } else {
            Ok(data)
        };
        match &*name {
            AUTHENTICATED => Self::Authenticated(fits.and_then(authenticated)),
            JOIN_ROOM => Self::JoinRoom(fits.and_then(room_id)),
            LEAVE_ROOM => Self::LeaveRoom(fits.and_then(room_id)),
            SEND_MESSAGE => Self::SendMessage(
                fits.map_err(|refusal| SendRefused {
                    refusal,
                    room: None,
                    message_id: None,
                })
                .and_then(send_message),
            ),
            other => Self::Unknown(other.chars().take(64).collect()),
        }
    }
}

fn authenticated(data: Option<&RawValue>) -> Result<Authenticated, Refusal> {
    let fields = Fields::of(data, ["identityKey", "pace"]).ok_or(Refusal::MissingIdentityKey)?;
    let key = fields.given("identityKey");
    let identity_key = text(key.ok_or(Refusal::MissingIdentityKey)?)
        .filter(|key| !is_js_blank(key))
        .ok_or(Refusal::IdentityKeyFormat)?;
    Ok(Authenticated {
        identity_key,
        pace: fields.text("pace").and_then(|pace| pace.parse().ok()),
    })
}

fn room_id(data: Option<&RawValue>) -> Result<RoomId, Refusal> {
    room_named(data.and_then(text))
}

fn room_named(name: Option<String>) -> Result<RoomId, Refusal> {
    name.filter(|room| !is_js_blank(room) && room.chars().count() <= MAX_ROOM_ID_CHARS)
        .map(RoomId::new)
        .ok_or(Refusal::RoomId)
}

fn send_message(data: Option<&RawValue>) -> Result<SendMessage, SendRefused> {
    let (mut room, mut message_id) = (None, None);
    check_message(data, &mut room, &mut message_id).map_err(|refusal| SendRefused {
        refusal,
        room,
        message_id,
    })
}

/// Notes the room and the message id as soon as they are known, for the refusal.
fn check_message(
    data: Option<&RawValue>,
    known_room: &mut Option<RoomId>,
    known_id: &mut Option<String>,
) -> Result<SendMessage, Refusal> {
    let data = Fields::of(data, ["roomId", "message", "payment"]).ok_or(Refusal::DataObject)?;
    let given = data.text("roomId");
    // A sender awaits the ack of its room even if the room id is too long.
    *known_room = given
        .as_deref()
        .filter(|room| is_live_room(room))
        .map(RoomId::new);
    let room = room_named(given)?;
    *known_room = Some(room.clone());
    let fields = ["messageId", "body", "recipient", "expiresAt", "payment"];
    let message = Fields::of(data.given("message"), fields).ok_or(Refusal::MessageObject)?;
    *known_id = message.text("messageId").filter(|id| is_message_id(id));
    let body = message_body(message.given("body"))?;
    let message_id = known_id.clone().ok_or(Refusal::MessageId)?;
    let recipient = match message.given("recipient").map(text) {
        Some(None) => return Err(Refusal::Recipient),
        recipient => recipient.flatten(),
    };
    let expires_at = message.given("expiresAt").map(|raw| expiry(raw.get()));
    let expires_at = expires_at.transpose()?.flatten();
    // A payment is never dropped silently. HTTP accepts it, and the published client tries HTTP next.
    if data.given("payment").is_some() || message.given("payment").is_some() {
        return Err(Refusal::PaymentRequired);
    }
    Ok(SendMessage {
        room,
        message_id,
        recipient,
        body,
        expires_at,
    })
}

fn message_body(json: Option<&RawValue>) -> Result<String, Refusal> {
    let json = json.ok_or(Refusal::MessageBody)?;
    match text(json) {
        Some(body) if !is_js_blank(&body) => Ok(body),
        // HTTP accepts other kinds of bodies. Both ways refuse the same content.
        None if !is_unicode(json.get()) => Err(Refusal::NotUnicode),
        _ => Err(Refusal::MessageBody),
    }
}

/// Parses `expiresAt` for HTTP and sockets: ISO 8601, or milliseconds since 1970.
///
/// # Errors
/// [`Refusal::Expiry`] when it is neither. The caller checks that the time is in the future.
pub fn expiry(json: &str) -> Result<Option<OffsetDateTime>, Refusal> {
    let json = json.trim();
    if json == "null" {
        return Ok(None);
    }
    // No tree is built, because the value may be large.
    let time = if json.starts_with('"') {
        let text: Option<String> = serde_json::from_str(json).ok();
        text.and_then(|text| OffsetDateTime::parse(&text, &Rfc3339).ok())
    } else {
        let milliseconds: Option<i64> = serde_json::from_str(json).ok();
        milliseconds.and_then(|milliseconds| {
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000).ok()
        })
    };
    // The stored form has a year of four digits.
    let time = time
        .and_then(|time| time.checked_to_offset(UtcOffset::UTC))
        .filter(|time| (1970..=9999).contains(&time.year()));
    time.map(Some).ok_or(Refusal::Expiry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parse(name: &str, data: &Value) -> ClientEvent {
        let payload = json!({"eventName": name, "data": data}).to_string();
        ClientEvent::parse(payload.as_bytes(), 99)
    }

    #[test]
    fn authenticated_names_a_key_or_is_refused() {
        let cases = [
            (json!({"identityKey": "02ab"}), Ok(("02ab", None))),
            (
                json!({"identityKey": "02ab", "pace": "9/7"}),
                Ok(("02ab", Some("9/7"))),
            ),
            (
                json!({"identityKey": "02ab", "pace": "0"}),
                Ok(("02ab", Some("0"))),
            ),
            (
                json!({"identityKey": "02ab", "pace": "fast"}),
                Ok(("02ab", None)),
            ),
            (json!({}), Err(Refusal::MissingIdentityKey)),
            (
                json!({"identityKey": null}),
                Err(Refusal::MissingIdentityKey),
            ),
            (json!(null), Err(Refusal::MissingIdentityKey)),
            (json!("02ab"), Err(Refusal::MissingIdentityKey)),
            (json!({"identityKey": 7}), Err(Refusal::IdentityKeyFormat)),
            (json!({"identityKey": " "}), Err(Refusal::IdentityKeyFormat)),
        ];
        for (data, expected) in cases {
            let expected = expected.map(|(key, pace)| Authenticated {
                identity_key: key.to_owned(),
                pace: pace.map(|pace: &str| pace.parse().unwrap()),
            });
            assert_eq!(
                parse("authenticated", &data),
                ClientEvent::Authenticated(expected),
                "{data}"
            );
        }
    }

    #[test]
    fn rooms_are_strings_of_a_sensible_length() {
        let room = RoomId::new("lobby");
        assert_eq!(
            parse("joinRoom", &json!("lobby")),
            ClientEvent::JoinRoom(Ok(room.clone()))
        );
        assert_eq!(
            parse("leaveRoom", &json!("lobby")),
            ClientEvent::LeaveRoom(Ok(room))
        );
        for data in [
            json!(null),
            json!(""),
            json!(" "),
            json!(7),
            json!({}),
            json!("x".repeat(323)),
        ] {
            assert_eq!(
                parse("joinRoom", &data),
                ClientEvent::JoinRoom(Err(Refusal::RoomId)),
                "{data}"
            );
            assert_eq!(
                parse("leaveRoom", &data),
                ClientEvent::LeaveRoom(Err(Refusal::RoomId)),
                "{data}"
            );
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn a_message_is_checked_in_the_documented_order() {
        use Refusal as R;
        let long = "x".repeat(257);
        let cases = [
            (json!(null), R::DataObject, false, false),
            (json!("text"), R::DataObject, false, false),
            (json!([]), R::DataObject, false, false),
            (json!({}), R::RoomId, false, false),
            (json!({"roomId": 7, "message": {}}), R::RoomId, false, false),
            (json!({"roomId": "r"}), R::MessageObject, true, false),
            (
                json!({"roomId": "r", "message": "text"}),
                R::MessageObject,
                true,
                false,
            ),
            (
                json!({"roomId": "r", "message": {}}),
                R::MessageBody,
                true,
                false,
            ),
            (
                json!({"roomId": "r", "message": {"messageId": "1", "body": " "}}),
                R::MessageBody,
                true,
                true,
            ),
            (
                json!({"roomId": "r", "message": {"messageId": "1", "body": {}}}),
                R::MessageBody,
                true,
                true,
            ),
            (
                json!({"roomId": "r", "message": {"messageId": "1", "body": "\u{feff}"}}),
                R::MessageBody,
                true,
                true,
            ),
            (
                json!({"roomId": "r", "message": {"body": "b"}}),
                R::MessageId,
                true,
                false,
            ),
            (
                json!({"roomId": "r", "message": {"body": "b", "messageId": 1}}),
                R::MessageId,
                true,
                false,
            ),
            (
                json!({"roomId": "r", "message": {"body": "b", "messageId": " "}}),
                R::MessageId,
                true,
                false,
            ),
            (
                json!({"roomId": "r", "message": {"body": "b", "messageId": long}}),
                R::MessageId,
                true,
                false,
            ),
            (
                json!({"roomId": "r", "message": {"body": "b", "messageId": "1", "recipient": 7}}),
                R::Recipient,
                true,
                true,
            ),
            (
                json!({"roomId": "r", "message": {"body": "b", "messageId": "1", "expiresAt": "soon"}}),
                R::Expiry,
                true,
                true,
            ),
            (
                json!({"roomId": "r", "message": {"body": "b", "messageId": "1"}, "payment": {"tx": []}}),
                R::PaymentRequired,
                true,
                true,
            ),
        ];
        for (data, refusal, names_room, names_id) in cases {
            let expected = SendRefused {
                refusal,
                room: names_room.then(|| RoomId::new("r")),
                message_id: names_id.then(|| "1".to_owned()),
            };
            assert_eq!(
                parse("sendMessage", &data),
                ClientEvent::SendMessage(Err(expected)),
                "{data}"
            );
        }
        for (room, is_named) in [(" ".to_owned(), true), ("x".repeat(400), false)] {
            let data = json!({"roomId": room, "message": {"body": "b", "messageId": "1"}});
            let expected = SendRefused {
                refusal: R::RoomId,
                room: is_named.then(|| RoomId::new(room)),
                message_id: None,
            };
            assert_eq!(
                parse("sendMessage", &data),
                ClientEvent::SendMessage(Err(expected))
            );
        }
        let data = json!({"roomId": "r", "message": {"body": "b", "messageId": "1", "more": []}});
        let expected = SendMessage {
            room: RoomId::new("r"),
            message_id: "1".to_owned(),
            recipient: None,
            body: "b".to_owned(),
            expires_at: None,
        };
        assert_eq!(
            parse("sendMessage", &data),
            ClientEvent::SendMessage(Ok(expected))
        );
    }

    /// No tree can hold this value, but it is a payment nevertheless.
    #[test]
    fn a_payment_that_cannot_be_read_is_not_dropped_in_silence() {
        for (inside, outside) in [("1e999", "null"), ("null", r#""\ud800""#)] {
            let payload = format!(
                r#"{{"eventName":"sendMessage","data":{{"roomId":"r","payment":{outside},"message":
                {{"messageId":"1","body":"b","payment":{inside}}}}}}}"#
            );
            let ClientEvent::SendMessage(Err(refused)) = ClientEvent::parse(payload.as_bytes(), 99)
            else {
                panic!("{payload} was taken");
            };
            assert_eq!(refused.refusal, Refusal::PaymentRequired);
        }
    }

    #[test]
    fn an_expiry_is_a_date_or_milliseconds() {
        let time = time::macros::datetime!(2030-01-02 03:04:05.678 UTC);
        for json in [
            r#""2030-01-02T03:04:05.678Z""#,
            r#""2030-01-02T04:04:05.678+01:00""#,
            "1893553445678",
        ] {
            assert_eq!(expiry(json), Ok(Some(time)), "{json}");
        }
        assert_eq!(expiry("null"), Ok(None));
        for json in [
            r#""soon""#,
            r#""""#,
            "true",
            "{}",
            "1e300",
            "-99999999999999",
            "99999999999999999",
            r#""9999-12-31T23:59:59-23:00""#,
        ] {
            assert_eq!(expiry(json), Err(Refusal::Expiry), "{json}");
        }
    }

    #[test]
    fn a_body_that_is_not_unicode_is_refused_where_the_sender_listens() {
        for body in [r#""\ud800""#, r#"{"a":"\ud800"}"#] {
            let payload = format!(
                r#"{{"eventName":"sendMessage","data":{{"roomId":"r","message":{{"messageId":"1","body":{body}}}}}}}"#
            );
            let expected = SendRefused {
                refusal: Refusal::NotUnicode,
                room: Some(RoomId::new("r")),
                message_id: Some("1".to_owned()),
            };
            assert_eq!(
                ClientEvent::parse(payload.as_bytes(), 99),
                ClientEvent::SendMessage(Err(expected))
            );
        }
    }

    #[test]
    fn what_is_nested_too_deeply_is_refused_by_its_name() {
        let deep = json!({"roomId": "r", "identityKey": "02ab", "message": {"more": [[[]]]}});
        for (name, expected) in [
            (
                "authenticated",
                ClientEvent::Authenticated(Err(Refusal::JsonDepth)),
            ),
            ("joinRoom", ClientEvent::JoinRoom(Err(Refusal::JsonDepth))),
            ("leaveRoom", ClientEvent::LeaveRoom(Err(Refusal::JsonDepth))),
            (
                "sendMessage",
                ClientEvent::SendMessage(Err(SendRefused {
                    refusal: Refusal::JsonDepth,
                    room: None,
                    message_id: None,
                })),
            ),
        ] {
            let payload = json!({"eventName": name, "data": deep}).to_string();
            assert_eq!(ClientEvent::parse(payload.as_bytes(), 5), expected);
            assert_ne!(ClientEvent::parse(payload.as_bytes(), 6), expected);
        }
    }

    #[test]
    fn what_is_not_known_is_told_apart_from_what_cannot_be_read() {
        assert_eq!(
            parse("hello", &json!(1)),
            ClientEvent::Unknown("hello".to_owned())
        );
        let payloads: [&[u8]; 7] = [
            b"",
            b"{}",
            b"[]",
            b" [\"joinRoom\",\"lobby\"]",
            b"{\"eventName\":7}",
            b"\xff\xfe",
            b"{\"eventName\":\"x\"",
        ];
        for payload in payloads {
            assert_eq!(ClientEvent::parse(payload, 99), ClientEvent::Undecodable);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_payload_makes_parsing_panic(payload in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = ClientEvent::parse(&payload, 99);
        }
    }
}
