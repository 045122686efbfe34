//! The packet types and their encoding.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The name of a namespace. It starts with `/`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// Creates a namespace: adds a missing `/` in front and cuts off a query.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let name = name.split('?').next().unwrap_or_default();
        if name.starts_with('/') {
            Self(name.into())
        } else {
            Self(format!("/{name}").into())
        }
    }

    /// The main namespace, `/`, which every client can join.
    #[must_use]
    pub fn main() -> Self {
        Self("/".into())
    }

    /// The name as it stands in packets, including the `/`.
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

/// The content of an event packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBody {
    /// The id of the requested ack, if the sender wants one.
    pub ack: Option<u64>,
    /// A JSON array: the name of the event, then its arguments.
    pub data: String,
    /// The bytes that the placeholders in `data` refer to.
    pub attachments: Vec<Bytes>,
}

/// The content of an ack packet: the reply to an event that requested one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckBody {
    /// The ack id of the event.
    pub ack: u64,
    /// A JSON array of arguments.
    pub data: String,
    /// The bytes that the placeholders in `data` refer to.
    pub attachments: Vec<Bytes>,
}

/// The name and the first argument of an event.
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
    /// The name of the event. A number is returned as its text.
    #[must_use]
    pub fn name(&self) -> String {
        self.head().map(|head| head.name).unwrap_or_default()
    }

    /// The first argument as JSON text.
    #[must_use]
    pub fn first_argument(&self) -> Option<&str> {
        self.head()?.first.map(RawValue::get)
    }

    /// The name, and the first argument as JSON text, in one pass.
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

/// The content of a packet, which determines its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// `0`: a client asks to join a namespace, or the server confirms it. An optional JSON object.
    Connect(Option<String>),
    /// `1`: a client leaves a namespace, or the server removes it.
    Disconnect,
    /// `2`, or `5` with attachments: an event.
    Event(EventBody),
    /// `3`, or `6` with attachments: an ack.
    Ack(AckBody),
    /// `4`: the server refuses to let a client join. JSON.
    ConnectError(String),
}

/// A packet of one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketIoPacket {
    /// The namespace that the packet belongs to.
    pub namespace: Namespace,
    /// The type and the content.
    pub body: Body,
}

impl SocketIoPacket {
    /// Appends the encoded text: type, attachment count, namespace, ack id, JSON.
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

    /// The encoded text, without attachments.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        self.encode_into(&mut text);
        text
    }

    /// The attachments, which follow the text as binary messages.
    #[must_use]
    pub fn attachments(&self) -> &[Bytes] {
        match &self.body {
            Body::Event(event) => &event.attachments,
            Body::Ack(ack) => &ack.attachments,
            Body::Connect(_) | Body::Disconnect | Body::ConnectError(_) => &[],
        }
    }
}
