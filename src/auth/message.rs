//! Auth messages on the wire: JSON objects (BRC-103, `AuthMessage` of the SDKs in use).

pub(super) mod numbers;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json_object;

use super::error::AuthError;
use numbers::{Numbers, write_numbers};

/// The protocol version. Both sides must have the same.
pub const AUTH_VERSION: &str = "0.1";

/// Bytes of a large message besides its payload, enough for a hundred certificates.
const MAX_REST: usize = 512 * 1024;

/// The `requestedCertificates` of a side that demands none.
pub const NO_CERTIFICATES: &str = r#"{"certifiers":[],"types":{}}"#;

/// The type of an auth message, which determines the fields it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageType {
    /// Starts a handshake. Unsigned.
    InitialRequest,
    /// Completes a handshake and authenticates the responder.
    InitialResponse,
    /// Carries a payload of the application.
    General,
    /// Asks the counterparty for certificates.
    CertificateRequest,
    /// Presents certificates, or none if the sender has none.
    CertificateResponse,
}

impl MessageType {
    /// The name of the type on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InitialRequest => "initialRequest",
            Self::InitialResponse => "initialResponse",
            Self::General => "general",
            Self::CertificateRequest => "certificateRequest",
            Self::CertificateResponse => "certificateResponse",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [
            Self::InitialRequest,
            Self::InitialResponse,
            Self::General,
            Self::CertificateRequest,
            Self::CertificateResponse,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }
}

/// A received auth message. Fields that its type does not need may be absent.
///
/// Certificates stay JSON text, because signatures cover that text.
#[derive(Debug, Clone)]
pub struct AuthMessage<'a> {
    /// The type of the message.
    pub kind: MessageType,
    /// The sender's identity key as the sender wrote it.
    pub identity_key: Cow<'a, str>,
    /// The nonce of this message.
    pub nonce: Option<Cow<'a, str>>,
    /// The session nonce of the sender.
    pub initial_nonce: Option<Cow<'a, str>>,
    /// The session nonce of the receiver.
    pub your_nonce: Option<Cow<'a, str>>,
    /// The presented certificates, a JSON array.
    pub certificates: Option<&'a RawValue>,
    /// The demanded certificates, a JSON object.
    pub requested_certificates: Option<&'a RawValue>,
    /// The payload of a general message.
    pub payload: Option<Vec<u8>>,
    /// The signature in DER.
    pub signature: Option<Vec<u8>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    identity_key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    nonce: Option<Cow<'a, str>>,
    #[serde(borrow)]
    initial_nonce: Option<Cow<'a, str>>,
    #[serde(borrow)]
    your_nonce: Option<Cow<'a, str>>,
    #[serde(borrow)]
    certificates: Option<&'a RawValue>,
    #[serde(borrow)]
    requested_certificates: Option<&'a RawValue>,
    payload: Option<Numbers>,
    signature: Option<Numbers>,
}

impl<'a> AuthMessage<'a> {
    /// Parses the JSON text of a message.
    ///
    /// # Errors
    /// [`AuthError::Malformed`], [`AuthError::Version`], [`AuthError::MissingField`].
    pub fn parse(json: &'a str) -> Result<Self, AuthError> {
        let malformed = AuthError::Malformed("not a JSON object with fields of the right types");
        let wire: Wire<'a> = json_object::read(json).map_err(|_| malformed)?;
        match wire.version.as_deref() {
            Some(AUTH_VERSION) => {}
            other => {
                let received = other.unwrap_or("undefined").chars().take(32).collect();
                return Err(AuthError::Version { received });
            }
        }
        let kind = wire
            .message_type
            .as_deref()
            .and_then(MessageType::parse)
            .ok_or(AuthError::Malformed("unknown message type"))?;
        let identity_key = wire
            .identity_key
            .ok_or(AuthError::MissingField(kind.name()))?;
        Ok(Self {
            kind,
            identity_key,
            nonce: wire.nonce,
            initial_nonce: wire.initial_nonce,
            your_nonce: wire.your_nonce,
            certificates: wire.certificates,
            requested_certificates: wire.requested_certificates,
            payload: wire.payload.map(|numbers| numbers.0),
            signature: wire.signature.map(|numbers| numbers.0),
        })
    }

    /// Parses the payload of a large message. Also returns the JSON without the payload, which is small.
    ///
    /// # Errors
    /// [`AuthError::Malformed`].
    pub fn take_payload(json: &str) -> Result<(String, Option<Vec<u8>>), AuthError> {
        #[derive(Deserialize)]
        struct Payload<'a> {
            #[serde(borrow)]
            payload: Option<&'a RawValue>,
        }
        let malformed = AuthError::Malformed("not a JSON object with a payload of bytes");
        let found: Payload<'_> = json_object::read(json).map_err(|_| malformed.clone())?;
        let (rest, payload) = match found.payload.map(RawValue::get) {
            None => (json.to_owned(), None),
            Some(numbers) => {
                let read: Numbers = serde_json::from_str(numbers).map_err(|_| malformed)?;
                let at = numbers.as_ptr().addr() - json.as_ptr().addr();
                let (before, after) = json.split_at_checked(at).unwrap_or_default();
                let after = after.get(numbers.len()..).unwrap_or_default();
                ([before, "null", after].concat(), Some(read.0))
            }
        };
        if rest.len() > MAX_REST {
            return Err(AuthError::Malformed("too much beside its payload"));
        }
        Ok((rest, payload))
    }

    /// A field that this type needs. It must not be empty.
    pub(super) fn need<'b>(&self, field: Option<&'b Cow<'a, str>>) -> Result<&'b str, AuthError> {
        match field.map(AsRef::as_ref) {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(AuthError::MissingField(self.kind.name())),
        }
    }

    pub(super) fn need_bytes<'b>(&self, field: Option<&'b Vec<u8>>) -> Result<&'b [u8], AuthError> {
        field
            .map(Vec::as_slice)
            .ok_or(AuthError::MissingField(self.kind.name()))
    }

    pub(super) fn need_json<'b>(&self, field: Option<&'b RawValue>) -> Result<&'b str, AuthError> {
        field
            .map(RawValue::get)
            .ok_or(AuthError::MissingField(self.kind.name()))
    }
}

/// Writes a message field by field, in the order of the SDKs in use.
pub(super) struct MessageWriter<'a>(&'a mut String);

impl<'a> MessageWriter<'a> {
    /// Starts a message of this type. `out` may already hold the text before it.
    pub(super) fn begin(out: &'a mut String, kind: MessageType, identity_key: &str) -> Self {
        out.push_str(r#"{"version":"0.1","messageType":""#);
        out.push_str(kind.name());
        out.push('"');
        Self(out).text("identityKey", identity_key)
    }

    /// Writes a field whose text needs no escaping: keys and base64.
    pub(super) fn text(self, name: &str, value: &str) -> Self {
        let writer = self.raw(name, "\"");
        writer.0.push_str(value);
        writer.0.push('"');
        writer
    }

    /// Writes a field whose value is JSON.
    pub(super) fn raw(self, name: &str, json: &str) -> Self {
        self.0.push_str(",\"");
        self.0.push_str(name);
        self.0.push_str("\":");
        self.0.push_str(json);
        self
    }

    /// The position of the next write.
    pub(super) fn position(self) -> (Self, usize) {
        let at = self.0.len();
        (self, at)
    }

    /// Writes JSON after the name of its field.
    pub(super) fn json(self, json: &str) -> Self {
        self.0.push_str(json);
        self
    }

    pub(super) fn requested_certificates(self, json: Option<&str>) -> Self {
        self.raw("requestedCertificates", json.unwrap_or(NO_CERTIFICATES))
    }

    /// Writes the last field and ends the message.
    pub(super) fn signature(self, der: &[u8]) {
        let writer = self.raw("signature", "");
        write_numbers(der, writer.0);
        writer.end();
    }

    pub(super) fn end(self) {
        self.0.push('}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_read_apart_from_the_rest() {
        let json = r#"{"version":"0.1","messageType":"general","identityKey":"02","other":[1,2],"payload":[1,2],"signature":[1,2]}"#;
        let (rest, payload) = AuthMessage::take_payload(json).unwrap();
        assert_eq!(
            rest,
            json.replace(r#""payload":[1,2]"#, r#""payload":null"#)
        );
        assert_eq!(payload, Some(vec![1, 2]));
        let (whole, apart) = (AuthMessage::parse(json), AuthMessage::parse(&rest));
        let apart = AuthMessage {
            payload,
            ..apart.unwrap()
        };
        assert_eq!(format!("{:?}", whole.unwrap()), format!("{apart:?}"));
        assert_eq!(AuthMessage::take_payload("{}"), Ok(("{}".to_owned(), None)));
        for refused in [
            "[]",
            "{",
            r#"{"payload":[256]}"#,
            r#"{"payload":[],"payload":[]}"#,
        ] {
            assert!(AuthMessage::take_payload(refused).is_err(), "{refused}");
        }
        let large = format!(r#"{{"payload":[1],"x":"{}"}}"#, "x".repeat(MAX_REST));
        assert!(AuthMessage::take_payload(&large).is_err());
    }
}
