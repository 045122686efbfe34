//! How much of a websocket's unfinished messages has come, told by the heads of its frames (RFC 6455 §5.2). Pure.
//!
//! The codec reads a frame's length only when it has the whole frame, and buffers its bytes until then.

/// Control frames begin here; they are small and whole, and stand between the fragments of a message.
const FIRST_CONTROL_OPCODE: u8 = 8;

/// A message is, or says that it will be, larger than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

/// Follows the frames of one websocket.
#[derive(Debug)]
pub(super) struct FrameLengths {
    max: usize,
    /// The head that is coming: at most 14 bytes.
    head: Vec<u8>,
    /// Bytes of the frame's content that are still to come.
    rest: u64,
    /// Whether they count: those of control frames do not.
    counts: bool,
    /// Whether the frame ends its message.
    is_last: bool,
    /// Bytes of the unfinished message that have come.
    held: usize,
}

impl FrameLengths {
    pub(super) const fn new(max: usize) -> Self {
        Self {
            max,
            head: Vec::new(),
            rest: 0,
            counts: false,
            is_last: true,
            held: 0,
        }
    }

    /// Bytes of the message that is not whole yet.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// Counts bytes that have arrived.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Result<(), TooLong> {
        while let Some((first, others)) = bytes.split_first() {
            if self.rest == 0 {
                self.head.push(*first);
                bytes = others;
                self.begin_frame()?;
                continue;
            }
            let here = usize::try_from(self.rest).unwrap_or(usize::MAX);
            let here = here.min(bytes.len());
            bytes = bytes.get(here..).unwrap_or_default();
            self.rest -= here as u64;
            if self.counts {
                self.held += here;
            }
            self.end_frame();
        }
        Ok(())
    }

    /// Begins the frame whose head is whole.
    fn begin_frame(&mut self) -> Result<(), TooLong> {
        let [flags, length, more @ ..] = self.head.as_slice() else {
            return Ok(());
        };
        let extended = match length & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if length & 0x80 == 0 { 0 } else { 4 };
        if more.len() < extended + mask {
            return Ok(());
        }
        self.rest = match extended {
            0 => u64::from(length & 0x7f),
            _ => more
                .iter()
                .take(extended)
                .fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        self.counts = flags & 0x0f < FIRST_CONTROL_OPCODE;
        self.is_last = flags & 0x80 != 0;
        self.head.clear();
        let room = self.max.saturating_sub(self.held) as u64;
        if self.counts && self.rest > room {
            return Err(TooLong);
        }
        self.end_frame();
        Ok(())
    }

    /// A whole message leaves the codec, so its bytes no longer count.
    const fn end_frame(&mut self) {
        if self.rest == 0 && self.counts && self.is_last {
            self.held = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_codec::{Decoder as _, Encoder as _};
    use actix_http::ws::{Codec, Frame, Item, Message};
    use bytes::{Bytes, BytesMut};
    use proptest::prelude::*;

    use super::*;

    fn encoded(messages: impl IntoIterator<Item = Message>) -> Vec<u8> {
        let (mut codec, mut bytes) = (Codec::new().client_mode(), BytesMut::new());
        for message in messages {
            codec.encode(message, &mut bytes).unwrap();
        }
        bytes.to_vec()
    }

    fn content(length: usize) -> Bytes {
        vec![b'x'; length].into()
    }

    #[test]
    fn what_is_unfinished_counts_until_it_is_whole() {
        let mut lengths = FrameLengths::new(1_000);
        let whole = encoded([Message::Binary(content(300)), Message::Ping(content(9))]);
        lengths.take(&whole).unwrap();
        assert_eq!(lengths.held(), 0);
        let (begin, end) = whole.split_at(100);
        lengths.take(begin).unwrap();
        assert_eq!(lengths.held(), 92);
        lengths.take(end).unwrap();
        assert_eq!(lengths.held(), 0);
        let parts = || {
            let first = Message::Continuation(Item::FirstText(content(400)));
            [first, Message::Ping(content(50))]
        };
        let last = Message::Continuation(Item::Last(content(600)));
        let whole = encoded(parts().into_iter().chain([last]));
        let (begin, end) = whole.split_at(encoded(parts()).len());
        lengths.take(begin).unwrap();
        assert_eq!(lengths.held(), 400);
        lengths.take(end).unwrap();
        assert_eq!(lengths.held(), 0);
    }

    #[test]
    fn what_will_be_too_long_is_refused_by_its_head() {
        let lengths = || FrameLengths::new(1_000);
        assert_eq!(
            lengths().take(&[0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3]),
            Ok(())
        );
        let long = [0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4];
        assert_eq!(lengths().take(&long), Err(TooLong));
        assert_eq!(
            lengths().take(&[
                0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4
            ]),
            Err(TooLong)
        );
        assert_eq!(
            lengths().take(&encoded([Message::Text(
                String::from_utf8(vec![b'x'; 1_000]).unwrap().into()
            )])),
            Ok(())
        );
        assert_eq!(
            lengths().take(&encoded([Message::Binary(content(1_001))])),
            Err(TooLong)
        );
        let parts = [
            Message::Continuation(Item::FirstBinary(content(600))),
            Message::Continuation(Item::Continue(content(401))),
        ];
        assert_eq!(lengths().take(&encoded(parts)), Err(TooLong));
    }

    proptest! {
        /// Held is what the codec would hold, however the bytes are cut.
        #[test]
        fn frames_are_followed_wherever_they_are_cut(
            lengths in proptest::collection::vec(0_usize..70_000, 1..4),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
        ) {
            let bytes = encoded(lengths.iter().map(|length| Message::Binary(content(*length))));
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
            cuts.sort_unstable();
            cuts.push(bytes.len());
            let (mut followed, mut codec, mut buffer, mut begin) = (FrameLengths::new(70_000), Codec::new().max_size(70_000), BytesMut::new(), 0);
            for cut in cuts {
                followed.take(&bytes[begin..cut]).unwrap();
                buffer.extend_from_slice(&bytes[begin..cut]);
                while let Some(frame) = codec.decode(&mut buffer).unwrap() {
                    prop_assert!(matches!(frame, Frame::Binary(_)));
                }
                prop_assert!(followed.held() <= buffer.len() && buffer.len() <= followed.held() + 14);
                begin = cut;
            }
            prop_assert_eq!(followed.held(), 0);
        }
    }
}
