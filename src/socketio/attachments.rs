//! Binary attachments: placeholders in the JSON of a packet, and the bytes that follow the packet.

use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::error::{ProtocolError, SocketIoDecodeError};
use super::packet::{Body, SocketIoPacket};

/// Checks that the packet announces an attachment for every placeholder.
pub(super) fn check_placeholders(
    data: &str,
    attachments: usize,
) -> Result<(), SocketIoDecodeError> {
    if attachments == 0 {
        // Without attachments a placeholder is an ordinary object.
        return Ok(());
    }
    let mut reader = serde_json::Deserializer::from_str(data);
    let checked = Placeholders { attachments }.deserialize(&mut reader);
    checked
        .and_then(|_| reader.end())
        .map_err(|_| SocketIoDecodeError::Data)
}

/// Visits every value and stores none: a tree of many small values takes forty times the size of its text.
#[derive(Clone, Copy)]
struct Placeholders {
    attachments: usize,
}

/// The part of a value that the object around it needs.
#[derive(PartialEq, Eq)]
enum Seen {
    True,
    Number(u64),
    Other,
}

impl<'de> DeserializeSeed<'de> for Placeholders {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Placeholders {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON whose placeholders have attachments")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Seen, E> {
        Ok(if value { Seen::True } else { Seen::Other })
    }

    fn visit_u64<E>(self, value: u64) -> Result<Seen, E> {
        Ok(Seen::Number(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Seen, A::Error> {
        while elements.next_element_seed(self)?.is_some() {}
        Ok(Seen::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Seen, A::Error> {
        let (mut marked, mut number) = (false, None);
        while let Some(name) = fields.next_key_seed(FieldName)? {
            let value = fields.next_value_seed(self)?;
            match name {
                Name::Placeholder => marked = value == Seen::True,
                Name::Num => number = Some(value),
                Name::Other => {}
            }
        }
        let stands_for = number.and_then(|number| match number {
            Seen::Number(number) => usize::try_from(number).ok(),
            _ => None,
        });
        if marked && stands_for.is_none_or(|number| number >= self.attachments) {
            return Err(A::Error::custom("a placeholder has no attachment"));
        }
        Ok(Seen::Other)
    }
}

/// The names of a placeholder's fields. Other names are dropped.
enum Name {
    Placeholder,
    Num,
    Other,
}

struct FieldName;

impl<'de> DeserializeSeed<'de> for FieldName {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldName {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Name, E> {
        Ok(match name {
            "_placeholder" => Name::Placeholder,
            "num" => Name::Num,
            _ => Name::Other,
        })
    }
}

/// A packet after one more attachment.
#[derive(Debug)]
pub(super) enum Progress {
    Complete(SocketIoPacket),
    Partial(Partial),
}

/// A packet that still lacks attachments.
#[derive(Debug)]
pub(super) struct Partial {
    packet: SocketIoPacket,
    outstanding: usize,
    bytes: usize,
}

impl Partial {
    pub(super) const fn new(packet: SocketIoPacket, outstanding: usize) -> Self {
        Self {
            packet,
            outstanding,
            bytes: 0,
        }
    }

    /// Bytes received so far.
    pub(super) const fn bytes(&self) -> usize {
        let text = match &self.packet.body {
            Body::Event(event) => event.data.len(),
            Body::Ack(ack) => ack.data.len(),
            Body::Connect(_) | Body::Disconnect | Body::ConnectError(_) => 0,
        };
        text + self.bytes
    }

    /// Adds an attachment. The last one completes the packet.
    pub(super) fn add(mut self, bytes: Bytes, max_bytes: usize) -> Result<Progress, ProtocolError> {
        self.bytes += bytes.len();
        if self.bytes > max_bytes {
            return Err(ProtocolError::AttachmentsTooLarge);
        }
        match &mut self.packet.body {
            Body::Event(event) => event.attachments.push(bytes),
            Body::Ack(ack) => ack.attachments.push(bytes),
            Body::Connect(_) | Body::Disconnect | Body::ConnectError(_) => {
                return Err(ProtocolError::UnexpectedAttachment);
            }
        }
        self.outstanding -= 1;
        Ok(if self.outstanding == 0 {
            Progress::Complete(self.packet)
        } else {
            Progress::Partial(self)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::check_placeholders;

    #[test]
    fn a_placeholder_stands_for_an_attachment_that_follows() {
        let fits = |data| check_placeholders(data, 2).is_ok();
        for data in [
            "[]",
            r#"["a",1,-1,1.5,true,null,{},[[]]]"#,
            r#"[{"_placeholder":true,"num":0},{"num":1,"_placeholder":true}]"#,
            r#"["a",{"b":[{"_placeholder":true,"num":1}]}]"#,
            r#"[{"_placeholder":false},{"_placeholder":1,"num":9},{"num":9}]"#,
            // Of two fields with one name the last counts, as for all who read JSON.
            r#"[{"_placeholder":true,"num":9,"num":1}]"#,
            r#"[{"_placeholder":true,"_placeholder":false}]"#,
            r#"[{"_\u0070laceholder":true,"num":1}]"#,
        ] {
            assert!(fits(data), "{data}");
        }
        for data in [
            "",
            "[",
            "[] []",
            r#"[{"_placeholder":true}]"#,
            r#"[{"_placeholder":true,"num":2}]"#,
            r#"[{"num":-1,"_placeholder":true}]"#,
            r#"[{"num":1.0,"_placeholder":true}]"#,
            r#"[{"num":"1","_placeholder":true}]"#,
            r#"["a",{"b":[{"_\u0070laceholder":true,"num":7}]}]"#,
        ] {
            assert!(!fits(data), "{data}");
        }
        assert!(check_placeholders(r#"[{"_placeholder":true}]"#, 0).is_ok());
    }
}
