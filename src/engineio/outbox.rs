//! The frames queued for the client, first in, first out, with a limit in bytes.

use std::collections::VecDeque;

use super::codec::Frame;

/// Frames handed to a websocket at once. A small batch keeps most frames within the outbox's limit.
pub(super) const MAX_BATCH_FRAMES: usize = 64;
pub(super) const MAX_BATCH_BYTES: usize = 256 * 1024;

/// The outbox would hold more than `max_outbound_bytes`; nothing was queued.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OutboxFull;

/// A bounded queue of encoded packets.
#[derive(Debug)]
pub(super) struct Outbox {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// Bytes that no other outbox shares.
    own_bytes: usize,
    /// As `own_bytes`, for the last batch that was drained.
    drained_own_bytes: usize,
    max_bytes: usize,
}

impl Outbox {
    pub(super) const fn new(max_bytes: usize) -> Self {
        Self {
            frames: VecDeque::new(),
            bytes: 0,
            own_bytes: 0,
            drained_own_bytes: 0,
            max_bytes,
        }
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Queued bytes that no other outbox shares. While frames are queued, the last batch is not written either, so its
    /// bytes count too.
    pub(super) fn own_bytes(&self) -> usize {
        if self.is_empty() {
            0
        } else {
            self.own_bytes + self.drained_own_bytes
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Queues a packet with its attachments, or nothing.
    ///
    /// An empty outbox accepts a group of any size: a client that reads is never disconnected for one large message.
    pub(super) fn push(&mut self, first: Frame, rest: &[Frame]) -> Result<(), OutboxFull> {
        let bytes = rest.iter().map(Frame::len).sum::<usize>() + first.len();
        if !self.frames.is_empty() && self.bytes + bytes > self.max_bytes {
            return Err(OutboxFull);
        }
        self.bytes += bytes;
        self.own_bytes += rest.iter().map(Frame::own_len).sum::<usize>() + first.own_len();
        self.frames.push_back(first);
        self.frames.extend(rest.iter().cloned());
        Ok(())
    }

    /// Queues a control packet regardless of the limit. Control packets are tiny and there is one at a time.
    pub(super) fn push_control(&mut self, frame: Frame) {
        self.bytes += frame.len();
        self.own_bytes += frame.own_len();
        self.frames.push_back(frame);
    }

    /// Removes frames from the front: at most `max_frames`, and at most `max_bytes` unless the first frame is larger.
    pub(super) fn drain(&mut self, max_frames: usize, max_bytes: usize) -> Vec<Frame> {
        let (mut count, mut bytes, mut own_bytes) = (0, 0, 0);
        for frame in self.frames.iter().take(max_frames) {
            if count > 0 && bytes + frame.len() > max_bytes {
                break;
            }
            count += 1;
            bytes += frame.len();
            own_bytes += frame.own_len();
        }
        self.bytes -= bytes;
        self.own_bytes -= own_bytes;
        self.drained_own_bytes = own_bytes;
        self.frames.drain(..count).collect()
    }

    /// Puts undelivered frames back at the front, in their order.
    pub(super) fn put_back(&mut self, frames: Vec<Frame>) {
        self.drained_own_bytes = 0;
        for frame in frames.into_iter().rev() {
            self.bytes += frame.len();
            self.own_bytes += frame.own_len();
            self.frames.push_front(frame);
        }
    }

    /// Drops all queued frames and frees their memory.
    pub(super) fn clear(&mut self) {
        self.frames = VecDeque::new();
        self.bytes = 0;
        self.own_bytes = 0;
        self.drained_own_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &'static str) -> Frame {
        Frame::Text(text.into())
    }

    #[test]
    fn a_group_is_queued_whole_or_not_at_all() {
        let mut outbox = Outbox::new(10);
        outbox.push(frame("4aaaa"), &[]).unwrap();
        assert_eq!(outbox.push(frame("4b"), &[frame("4cccc")]), Err(OutboxFull));
        assert_eq!(outbox.bytes(), 5);
        outbox.push(frame("4b"), &[frame("4cc")]).unwrap();
        assert_eq!(outbox.bytes(), 10);
        assert_eq!(
            outbox.drain(9, 99),
            [frame("4aaaa"), frame("4b"), frame("4cc")]
        );
        assert_eq!(outbox.bytes(), 0);
    }

    #[test]
    fn an_empty_outbox_takes_one_group_of_any_size() {
        let mut outbox = Outbox::new(3);
        outbox.push(frame("4large"), &[]).unwrap();
        assert_eq!(outbox.push(frame("4"), &[]), Err(OutboxFull));
    }

    #[test]
    fn a_drain_is_bounded_in_bytes_but_always_moves() {
        let mut outbox = Outbox::new(100);
        for text in ["4large", "4a", "4b"] {
            outbox.push(frame(text), &[]).unwrap();
        }
        assert_eq!(outbox.drain(9, 3), [frame("4large")]);
        assert_eq!(outbox.drain(9, 3), [frame("4a")]);
        assert_eq!(outbox.drain(9, 4), [frame("4b")]);
    }

    #[test]
    fn what_frames_share_is_not_their_own() {
        let shared = || {
            Frame::shared_message(0, "shared".into(), |out| {
                out.push_str("ab");
                Ok::<_, ()>(2)
            })
        };
        let mut outbox = Outbox::new(100);
        for _ in 0..2 {
            outbox.push(shared().unwrap(), &[]).unwrap();
        }
        outbox.push_control(frame("2"));
        assert_eq!((outbox.bytes(), outbox.own_bytes()), (19, 7));
        // As long as others wait behind it, it counts.
        let taken = outbox.drain(1, 99);
        assert_eq!((outbox.bytes(), outbox.own_bytes()), (10, 7));
        outbox.put_back(taken);
        assert_eq!((outbox.bytes(), outbox.own_bytes()), (19, 7));
        outbox.drain(9, 99);
        assert_eq!((outbox.bytes(), outbox.own_bytes()), (0, 0));
        outbox.push_control(frame("2"));
        outbox.clear();
        assert_eq!((outbox.bytes(), outbox.own_bytes()), (0, 0));
    }

    #[test]
    fn what_is_put_back_comes_first_again() {
        let mut outbox = Outbox::new(100);
        for text in ["4a", "4b", "4c"] {
            outbox.push(frame(text), &[]).unwrap();
        }
        let taken = outbox.drain(2, 99);
        outbox.put_back(taken);
        assert_eq!(outbox.bytes(), 6);
        assert_eq!(outbox.drain(9, 99), [frame("4a"), frame("4b"), frame("4c")]);
    }
}
