//! Packets: their types, and how they are written.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A namespace's name, beginning with `/`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// A namespace of this name; `/` is put in front where it is missing, and a query is cut off.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let name = name.split('?').next().unwrap_or_default();
        if name.starts_with('/') {
            Self(name.into())
        } else {
            Self(format!("/{name}").into())
        }
    }

    /// `/`.
    #[must_use]
    pub fn main() -> Self {
        Self("/".into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Namespace({})", self.0)
    }
}

/// An event, with or without attachments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBody {
    /// The id under which an ack is asked for.
    pub ack: Option<u64>,
    /// JSON array: the event's name, then its arguments.
    pub data: String,
    /// What the placeholders in `data` stand for.
    pub attachments: Vec<Bytes>,
}

/// The answer to an event that asked for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckBody {
    /// The event's id.
    pub ack: u64,
    /// JSON array of arguments.
    pub data: String,
    /// What the placeholders in `data` stand for.
    pub attachments: Vec<Bytes>,
}

/// The name and the first argument of an event, without the rest.
struct Head<'a> {
    name: String,
    first: Option<&'a RawValue>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Head<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;

        impl<'de> Visitor<'de> for Elements {
            type Value = Head<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array that begins with an event name")
            }

            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut elements: A,
            ) -> Result<Self::Value, A::Error> {
                let name: &RawValue = elements
                    .next_element()?
                    .ok_or_else(|| serde::de::Error::invalid_length(0, &self))?;
                let first = elements.next_element()?;
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                let text = name.get();
                let name = serde_json::from_str(text).unwrap_or_else(|_| text.to_owned());
                Ok(Head { name, first })
            }
        }

        deserializer.deserialize_seq(Elements)
    }
}

impl EventBody {
    /// The event's name; a number's text where the name is a number.
    #[must_use]
    pub fn name(&self) -> String {
        self.head().map(|head| head.name).unwrap_or_default()
    }

    /// The JSON text of the first argument.
    #[must_use]
    pub fn first_argument(&self) -> Option<&str> {
        self.head()?.first.map(RawValue::get)
    }

    /// The name, and the JSON text of the first argument, in one pass.
    #[must_use]
    pub fn name_and_first_argument(&self) -> (String, Option<&str>) {
        match self.head() {
            Some(head) => (head.name, head.first.map(RawValue::get)),
            None => (String::new(), None),
        }
    }

    fn head(&self) -> Option<Head<'_>> {
        serde_json::from_str(&self.data).ok()
    }
}

/// What a packet carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// `0`: joins a namespace, or confirms that. JSON object, if any.
    Connect(Option<String>),
    /// `1`: leaves it.
    Disconnect,
    /// `2`, or `5` with attachments.
    Event(EventBody),
    /// `3`, or `6` with attachments.
    Ack(AckBody),
    /// `4`: refuses to let a client join. JSON.
    ConnectError(String),
}

/// A Socket.IO packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketIoPacket {
    /// The namespace that it belongs to.
    pub namespace: Namespace,
    /// What it carries.
    pub body: Body,
}

impl SocketIoPacket {
    /// Appends the text: type, number of attachments, namespace, ack id, JSON.
    pub fn encode_into(&self, out: &mut String) {
        let (kind, ack, data) = match &self.body {
            Body::Connect(payload) => ('0', None, payload.as_deref().unwrap_or_default()),
            Body::Disconnect => ('1', None, ""),
            Body::Event(event) if event.attachments.is_empty() => ('2', event.ack, &*event.data),
            Body::Event(event) => ('5', event.ack, &*event.data),
            Body::Ack(ack) if ack.attachments.is_empty() => ('3', Some(ack.ack), &*ack.data),
            Body::Ack(ack) => ('6', Some(ack.ack), &*ack.data),
            Body::ConnectError(json) => ('4', None, &**json),
        };
        out.push(kind);
        // Writing to a string cannot fail.
        if !self.attachments().is_empty() {
            let _ = write!(out, "{}-", self.attachments().len());
        }
        if self.namespace.as_str() != "/" {
            let _ = write!(out, "{},", self.namespace.as_str());
        }
        if let Some(ack) = ack {
            let _ = write!(out, "{ack}");
        }
        out.push_str(data);
    }

    /// The text by itself.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        self.encode_into(&mut text);
        text
    }

    /// The attachments that follow the text as binary messages.
    #[must_use]
    pub fn attachments(&self) -> &[Bytes] {
        match &self.body {
            Body::Event(event) => &event.attachments,
            Body::Ack(ack) => &ack.attachments,
            Body::Connect(_) | Body::Disconnect | Body::ConnectError(_) => &[],
        }
    }
}
