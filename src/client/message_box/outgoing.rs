//! A message to send over HTTP or a socket.

use serde::Serialize;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use crate::ids::IdentityKey;

use crate::client::error::ClientError;

/// A message to send.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingMessage<'a> {
    /// The identity key of the recipient.
    pub recipient: IdentityKey,
    /// The name of the recipient's box.
    pub message_box: &'a str,
    /// The sender's id for the message. Sending the same id again stores nothing.
    pub message_id: &'a str,
    /// The body that the server stores. [`encrypt_body`](crate::client::encrypt_body) hides it from the server.
    pub body: &'a str,
    /// When the server deletes the message, acknowledged or not. Without a time, the server's default applies.
    pub expires_at: Option<OffsetDateTime>,
}

/// The JSON fields of a message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::client) struct MessageFields<'a> {
    recipient: String,
    /// Omitted for a room, because its id contains the box.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_box: Option<&'a str>,
    message_id: &'a str,
    body: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

impl<'a> OutgoingMessage<'a> {
    /// The fields for an event of a room.
    pub(in crate::client) fn for_room(&self) -> Result<MessageFields<'a>, ClientError> {
        Ok(MessageFields {
            recipient: self.recipient.to_hex(),
            message_box: None,
            message_id: self.message_id,
            body: self.body,
            expires_at: self.expires_at.map(iso_8601).transpose()?,
        })
    }

    /// The fields for a request.
    pub(in crate::client) fn for_request(&self) -> Result<MessageFields<'a>, ClientError> {
        Ok(MessageFields {
            message_box: Some(self.message_box),
            ..self.for_room()?
        })
    }
}

/// UTC in whole milliseconds, which every server parses.
fn iso_8601(time: OffsetDateTime) -> Result<String, ClientError> {
    let time = time.checked_to_offset(UtcOffset::UTC);
    let time = time.and_then(|time| time.replace_millisecond(time.millisecond()).ok());
    let text = time.and_then(|time| time.format(&Rfc3339).ok());
    text.ok_or(ClientError::Unexpected("a date beyond the year 9999"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::auth::Identity;

    #[test]
    fn a_date_is_written_in_utc_and_only_where_there_is_one() {
        let recipient = Identity::random().identity_key();
        let message = |expires_at: Option<&str>| OutgoingMessage {
            recipient,
            message_box: "inbox",
            message_id: "1",
            body: "b",
            expires_at: expires_at.map(|text| OffsetDateTime::parse(text, &Rfc3339).unwrap()),
        };
        let json = |fields: MessageFields<'_>| serde_json::to_value(fields).unwrap();
        let plain = json!({"recipient": recipient.to_hex(), "messageId": "1", "body": "b"});
        assert_eq!(json(message(None).for_room().unwrap()), plain);
        let dated = message(Some("2030-01-02T03:04:05.123456789+02:00"));
        let dated = json(dated.for_request().unwrap());
        assert_eq!(
            (&dated["messageBox"], &dated["expiresAt"]),
            (
                &Value::from("inbox"),
                &Value::from("2030-01-02T01:04:05.123Z")
            )
        );
        let late = message(Some("9999-12-31T23:30:00-01:00"));
        assert!(late.for_request().is_err());
    }
}
