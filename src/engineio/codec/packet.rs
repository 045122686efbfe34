//! The packet types, and decoding them from text and binary frames.

use bytes::Bytes;
use bytestring::ByteString;

use super::error::DecodeError;

/// The data of a message packet: text or bytes, as the client sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// The data of a text frame.
    Text(ByteString),
    /// The data of a binary frame, or of a base64 element of a payload.
    Binary(Bytes),
}

/// An Engine.IO packet (Engine.IO v4, "Packet encoding").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// `0`: the server's handshake as JSON.
    Open(ByteString),
    /// `1`: the sender closes the session.
    Close,
    /// `2`: the server's heartbeat, or the client's `probe` on a new websocket.
    Ping(ByteString),
    /// `3`: the reply to a ping, with the same data.
    Pong(ByteString),
    /// `4`: data of the application.
    Message(Data),
    /// `5`: the client switches to the probed websocket.
    Upgrade,
    /// `6`: no data; the server ends a poll with it.
    Noop,
}

impl Packet {
    /// Decodes a text frame, or an element of a payload that is not base64.
    ///
    /// # Errors
    /// [`DecodeError`] when the text is empty, has an unknown type, or has data that its type does not allow.
    pub fn decode_text(text: &ByteString) -> Result<Self, DecodeError> {
        let mut chars = text.chars();
        let kind = chars.next().ok_or(DecodeError::Empty)?;
        let rest = chars.as_str();
        let data = || text.slice_ref(rest);
        let bare = |packet| {
            if rest.is_empty() {
                Ok(packet)
            } else {
                Err(DecodeError::UnexpectedData)
            }
        };
        match kind {
            '0' => Ok(Self::Open(data())),
            '1' => bare(Self::Close),
            '2' => Ok(Self::Ping(data())),
            '3' => Ok(Self::Pong(data())),
            '4' => Ok(Self::Message(Data::Text(data()))),
            '5' => bare(Self::Upgrade),
            '6' => bare(Self::Noop),
            _ => Err(DecodeError::UnknownType),
        }
    }

    /// Decodes a binary frame, which is always a message.
    #[must_use]
    pub const fn from_binary(bytes: Bytes) -> Self {
        Self::Message(Data::Binary(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Frame;
    use super::*;

    fn decode(text: &str) -> Result<Packet, DecodeError> {
        Packet::decode_text(&ByteString::from(text))
    }

    #[test]
    fn every_type_round_trips() {
        let text = |text: &'static str| ByteString::from_static(text);
        let cases = [
            ("0{}", Packet::Open(text("{}"))),
            ("1", Packet::Close),
            ("2", Packet::Ping(text(""))),
            ("2probe", Packet::Ping(text("probe"))),
            ("3", Packet::Pong(text(""))),
            ("3probe", Packet::Pong(text("probe"))),
            ("4", Packet::Message(Data::Text(text("")))),
            ("4héllo €", Packet::Message(Data::Text(text("héllo €")))),
            ("5", Packet::Upgrade),
            ("6", Packet::Noop),
        ];
        for (wire, packet) in cases {
            assert_eq!(decode(wire).as_ref(), Ok(&packet), "{wire}");
            assert_eq!(Frame::from(&packet), Frame::Text(wire.into()), "{wire}");
        }
    }

    #[test]
    fn a_binary_frame_is_a_message() {
        let bytes = Bytes::from_static(&[1, 2, 3]);
        let packet = Packet::from_binary(bytes.clone());
        assert_eq!(packet, Packet::Message(Data::Binary(bytes.clone())));
        assert_eq!(Frame::from(&packet), Frame::Binary(bytes));
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        assert_eq!(decode(""), Err(DecodeError::Empty));
        for text in ["abc", "7", "b", "é", "-1", " 4x"] {
            assert_eq!(decode(text), Err(DecodeError::UnknownType), "{text}");
        }
        for text in ["1x", "5x", "6 "] {
            assert_eq!(decode(text), Err(DecodeError::UnexpectedData), "{text}");
        }
    }
}
