//! Engine.IO packets and payloads: everything that is read can be written, and reads the same again.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use messagebox::engineio::{Data, DecodeError, Frame, Packet, decode_payload, encode_payload};
use messagebox_fuzz::memory;

const MAX_PACKETS: usize = 64;

fuzz_target!(|data: &[u8]| {
    let body = Bytes::copy_from_slice(data);
    let read = memory::within(data.len(), 4, || decode_payload(body.clone(), MAX_PACKETS));
    let parts = data.split(|byte| *byte == 0x1e).count();
    let packets = match read {
        Ok(packets) => packets,
        Err(error) => {
            // A payload whose packets are all valid is refused only for their number.
            assert!(parts <= MAX_PACKETS || decode_payload(body, MAX_PACKETS).is_err());
            assert!(error != DecodeError::TooManyPackets || parts > MAX_PACKETS);
            return;
        }
    };
    assert_eq!(packets.len(), parts);
    let frames: Vec<Frame> = packets.iter().map(Frame::from).collect();
    let written = encode_payload(&frames);
    // Padding may be missing: three characters at most.
    assert!(written.len() <= data.len() + 3 * parts);
    assert_eq!(
        decode_payload(written.into(), MAX_PACKETS).as_deref(),
        Ok(&*packets)
    );

    // The same packets as websocket frames.
    for (packet, frame) in packets.iter().zip(&frames) {
        let again = match frame {
            Frame::Text(text) => Packet::decode_text(text).unwrap(),
            Frame::Shared(_) => unreachable!("no packet is encoded so"),
            Frame::Binary(bytes) => Packet::from_binary(bytes.clone()),
        };
        assert_eq!(again, *packet);
        assert_eq!(
            frame.is_empty(),
            *packet == Packet::Message(Data::Binary(Bytes::new()))
        );
    }
});
