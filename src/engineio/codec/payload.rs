//! Payloads: several packets in the body of one polling request or response (Engine.IO v4, "HTTP long-polling").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use bytestring::ByteString;

use super::error::DecodeError;
use super::frame::Frame;
use super::packet::Packet;

/// Separates two packets of a payload (U+001E, "record separator").
const SEPARATOR: char = '\x1e';

/// Some clients omit the padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Joins encoded packets into one payload. A binary message becomes `b` and base64.
#[must_use]
pub fn encode_payload(frames: &[Frame]) -> String {
    let bytes: usize = frames.iter().map(|frame| frame.len() * 4 / 3 + 5).sum();
    let mut payload = String::with_capacity(bytes);
    for (index, frame) in frames.iter().enumerate() {
        if index > 0 {
            payload.push(SEPARATOR);
        }
        match frame {
            Frame::Text(text) => payload.push_str(text),
            Frame::Shared(shared) => payload.extend(shared.texts()),
            Frame::Binary(bytes) => {
                payload.push('b');
                STANDARD.encode_string(bytes, &mut payload);
            }
        }
    }
    payload
}

/// Splits a payload into its packets, which share the body's memory.
///
/// # Errors
/// [`DecodeError`] when the body is not UTF-8, has more than `max_packets`, or contains a malformed packet. Then the
/// whole payload is refused.
pub fn decode_payload(body: Bytes, max_packets: usize) -> Result<Vec<Packet>, DecodeError> {
    let text = ByteString::try_from(body).map_err(|_| DecodeError::Utf8)?;
    let mut packets = Vec::new();
    for element in text.split(SEPARATOR) {
        if packets.len() == max_packets {
            return Err(DecodeError::TooManyPackets);
        }
        packets.push(match element.strip_prefix('b') {
            Some(encoded) => {
                let bytes = LENIENT.decode(encoded).map_err(|_| DecodeError::Base64)?;
                Packet::from_binary(bytes.into())
            }
            None => Packet::decode_text(&text.slice_ref(element))?,
        });
    }
    Ok(packets)
}

#[cfg(test)]
mod tests {
    use super::super::packet::Data;
    use super::*;
    use proptest::prelude::*;

    fn decode(text: &str) -> Result<Vec<Packet>, DecodeError> {
        decode_payload(Bytes::copy_from_slice(text.as_bytes()), 100)
    }

    #[test]
    fn packets_are_joined_and_split_as_the_protocol_shows() {
        let packets = vec![
            Packet::Message(Data::Text("hello".into())),
            Packet::Ping("".into()),
            Packet::Message(Data::Text("world".into())),
            Packet::from_binary(Bytes::from_static(&[1, 2, 3, 4])),
        ];
        let frames: Vec<Frame> = packets.iter().map(Frame::from).collect();
        let wire = "4hello\x1e2\x1e4world\x1ebAQIDBA==";
        assert_eq!(encode_payload(&frames), wire);
        assert_eq!(decode(wire).unwrap(), packets);
        assert_eq!(decode("bAQIDBA").unwrap(), packets[3..]);
        let shared = Frame::shared_message(3, "ell".into(), |own| {
            own.push_str("ho");
            Ok::<_, ()>(2)
        });
        let shared = shared.unwrap();
        assert_eq!(
            encode_payload(&[shared.clone(), shared]),
            "4hello\x1e4hello"
        );
    }

    #[test]
    fn a_malformed_payload_is_refused_whole() {
        assert_eq!(decode(""), Err(DecodeError::Empty));
        assert_eq!(decode("4a\x1e"), Err(DecodeError::Empty));
        assert_eq!(decode("4a\x1eabc"), Err(DecodeError::UnknownType));
        assert_eq!(decode("b!!"), Err(DecodeError::Base64));
        let invalid = Bytes::from_static(&[b'4', 0xff, 0xfe]);
        assert_eq!(decode_payload(invalid, 100), Err(DecodeError::Utf8));
        let many = Bytes::from(vec!["4"; 101].join("\x1e"));
        assert_eq!(decode_payload(many, 100), Err(DecodeError::TooManyPackets));
    }

    fn packet() -> impl Strategy<Value = Packet> {
        let text = "[^\x1e]{0,40}";
        prop_oneof![
            text.prop_map(|text| Packet::Open(text.into())),
            Just(Packet::Close),
            text.prop_map(|text| Packet::Ping(text.into())),
            text.prop_map(|text| Packet::Pong(text.into())),
            text.prop_map(|text| Packet::Message(Data::Text(text.into()))),
            proptest::collection::vec(any::<u8>(), 0..40)
                .prop_map(|bytes| Packet::from_binary(bytes.into())),
            Just(Packet::Upgrade),
            Just(Packet::Noop),
        ]
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(packets in proptest::collection::vec(packet(), 1..20)) {
            let frames: Vec<Frame> = packets.iter().map(Frame::from).collect();
            prop_assert_eq!(decode(&encode_payload(&frames)).unwrap(), packets);
        }

        #[test]
        fn no_body_makes_decoding_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_payload(body.into(), 100);
        }

        #[test]
        fn no_text_makes_decoding_panic(text in ".{0,200}") {
            let _ = decode(&text);
        }
    }
}
