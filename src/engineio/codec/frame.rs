//! An encoded packet, as one websocket frame or one element of a payload.

use bytes::Bytes;
use bytestring::ByteString;

use super::error::DecodeError;
use super::packet::{Data, Packet};
use super::shared_frame::SharedFrame;

/// One encoded packet: the content of one websocket frame, or of one element of a payload.
///
/// Clones share the bytes. A binary frame is always a message: Engine.IO has no other binary packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A text packet: its type as a digit, then its data.
    Text(ByteString),
    /// A text packet whose middle other frames share.
    Shared(SharedFrame),
    /// A binary message, without a type.
    Binary(Bytes),
}

impl Frame {
    /// Builds a text message in place: `write` appends the data to a buffer that already holds the type.
    pub fn message_with(capacity: usize, write: impl FnOnce(&mut String)) -> Self {
        let mut text = String::with_capacity(capacity + 1);
        text.push('4');
        write(&mut text);
        Self::Text(text.into())
    }

    /// Builds a text message around a text that other messages share. The function `write` appends the rest of the
    /// message to a buffer. It returns the offset in that buffer where the shared text belongs.
    ///
    /// # Errors
    /// The error of `write`.
    pub fn shared_message<E>(
        capacity: usize,
        shared: ByteString,
        write: impl FnOnce(&mut String) -> Result<usize, E>,
    ) -> Result<Self, E> {
        let mut own = String::with_capacity(capacity + 1);
        own.push('4');
        let at = write(&mut own)?;
        Ok(Self::Shared(SharedFrame::new(own.into(), at, shared)))
    }

    /// A frame whose text, including the type, is a constant.
    const fn fixed(text: &'static str) -> Self {
        Self::Text(ByteString::from_static(text))
    }

    /// Length of the encoded packet in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Shared(shared) => shared.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Bytes that no other frame shares.
    pub(in crate::engineio) fn own_len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Shared(shared) => shared.own_len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether the frame has no bytes, which only an empty binary message has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl TryFrom<Frame> for Packet {
    type Error = DecodeError;

    fn try_from(frame: Frame) -> Result<Self, DecodeError> {
        match frame {
            Frame::Text(text) => Self::decode_text(&text),
            Frame::Shared(shared) => Self::decode_text(&shared.whole()),
            Frame::Binary(bytes) => Ok(Self::from_binary(bytes)),
        }
    }
}

impl From<&Packet> for Frame {
    fn from(packet: &Packet) -> Self {
        match packet {
            Packet::Open(json) => Self::Text(format!("0{json}").into()),
            Packet::Close => Self::fixed("1"),
            Packet::Ping(data) if data.is_empty() => Self::fixed("2"),
            Packet::Ping(data) => Self::Text(format!("2{data}").into()),
            Packet::Pong(data) if data.is_empty() => Self::fixed("3"),
            Packet::Pong(data) => Self::Text(format!("3{data}").into()),
            Packet::Message(Data::Text(text)) => {
                Self::message_with(text.len(), |out| out.push_str(text))
            }
            Packet::Message(Data::Binary(bytes)) => Self::Binary(bytes.clone()),
            Packet::Upgrade => Self::fixed("5"),
            Packet::Noop => Self::fixed("6"),
        }
    }
}
