//! A message for printing.

use std::fmt::Write as _;

use messagebox::auth::{AuthError, Identity};
use messagebox::client::{
    BoxMessage, PlainBody, ReceivedMessage, read_live_body, read_stored_body,
};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::local::names::Names;
use crate::local::output::{doubtful, label, printable, quoted};

/// A decrypted message of a box.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PrintedMessage {
    pub(crate) message_id: String,
    pub(crate) sender: String,
    /// The user's name for the sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_name: Option<String>,
    message_box: String,
    created_at: String,
    /// `None` if it cannot be decrypted.
    body: Option<String>,
    encrypted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl PrintedMessage {
    pub(crate) fn stored(
        reader: &Identity,
        names: &Names,
        message_box: &str,
        message: BoxMessage,
    ) -> Self {
        let read = read_stored_body(reader, &message.sender, &message.body);
        let BoxMessage {
            message_id,
            sender,
            created_at,
            ..
        } = message;
        Self::new(names, message_box, message_id, sender, created_at, read)
    }

    pub(crate) fn live(
        reader: &Identity,
        names: &Names,
        message_box: &str,
        message: ReceivedMessage,
    ) -> Self {
        let read = read_live_body(reader, &message.sender, &message.body);
        let ReceivedMessage {
            message_id,
            sender,
            created_at,
            ..
        } = message;
        Self::new(names, message_box, message_id, sender, created_at, read)
    }

    fn new(
        names: &Names,
        message_box: &str,
        message_id: String,
        sender: String,
        created_at: String,
        read: Result<PlainBody, AuthError>,
    ) -> Self {
        let message = Self {
            message_id,
            sender_name: names.of(&sender).map(str::to_owned),
            sender,
            message_box: message_box.to_owned(),
            created_at,
            body: None,
            encrypted: true,
            payment: None,
            error: None,
        };
        match read {
            Ok(body) => Self {
                body: Some(body.text),
                encrypted: body.encrypted,
                payment: body.payment,
                ..message
            },
            Err(error) => Self {
                error: Some(error.to_string()),
                ..message
            },
        }
    }

    /// Whether it can be deleted once it is printed in this form, without losing a payment or an unread body.
    pub(crate) const fn is_safe_to_delete(&self, json: bool) -> bool {
        self.error.is_none() && (json || self.payment.is_none())
    }

    pub(crate) fn human(&self, names: &Names) -> String {
        let (sender, id) = (names.shown(&self.sender), printable(&self.message_id));
        let [from, id_label, time] = ["from", "id", "time"].map(label);
        let mut text = format!("{from}  {sender}\n{id_label}    {id}\n");
        let mut marks = Vec::new();
        if !self.encrypted {
            marks.push("not encrypted");
        }
        if self.payment.is_some() {
            marks.push("with a payment (--json shows it)");
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{time}  {}", printable(&self.created_at));
        for mark in marks {
            let _ = write!(text, ", {}", doubtful(mark));
        }
        let body = match (&self.body, &self.error) {
            (Some(body), _) => quoted(body),
            (None, error) => {
                let error = error.as_deref().unwrap_or_default();
                format!("{}\n", doubtful(&format!("[{error}]")))
            }
        };
        let _ = write!(text, "\n\n{body}\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_is_not_lost_with_its_message() {
        let reader = Identity::random();
        let stored = |body: &str| BoxMessage {
            message_id: String::from("1"),
            sender: reader.identity_key().to_hex(),
            body: body.to_owned(),
            created_at: String::from("2026-01-01T00:00:00.000Z"),
        };
        let paid = stored(r#"{"message":"hello","payment":{"tx":[1,2],"outputs":[]}}"#);
        let names = Names::default();
        let paid = PrintedMessage::stored(&reader, &names, "inbox", paid);
        assert!(paid.is_safe_to_delete(true) && !paid.is_safe_to_delete(false));
        let json = serde_json::to_string(&paid).unwrap();
        assert!(
            json.contains(r#""payment":{"tx":[1,2],"outputs":[]}"#),
            "{json}"
        );
        let human = paid.human(&names);
        assert!(human.contains("with a payment"), "{human}");
        let free = stored(r#"{"message":"hello"}"#);
        let free = PrintedMessage::stored(&reader, &names, "inbox", free);
        assert!(free.is_safe_to_delete(true) && free.is_safe_to_delete(false));
        let garbled = stored(r#"{"message":"{\"encryptedMessage\":\"AAAA\"}"}"#);
        let garbled = PrintedMessage::stored(&reader, &names, "inbox", garbled);
        assert!(!garbled.is_safe_to_delete(true) && !garbled.is_safe_to_delete(false));
    }
}
