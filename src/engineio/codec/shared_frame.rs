//! A text message whose middle other messages share.

use bytes::Bytes;
use bytestring::ByteString;

/// A message in three parts: its own prefix and suffix, and a shared middle.
///
/// All receivers of a broadcast get the same payload, each with its own signature. Sharing the payload keeps one copy of
/// it in memory, however many receivers have it queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFrame {
    /// The prefix, followed by the suffix.
    own: ByteString,
    /// Length of the prefix in bytes.
    at: usize,
    shared: ByteString,
}

impl SharedFrame {
    /// Inserts `shared` into `own` at byte `at`, or at the end of `own` if `at` is not a character boundary.
    pub(super) fn new(own: ByteString, at: usize, shared: ByteString) -> Self {
        let at = if own.is_char_boundary(at) {
            at
        } else {
            own.len()
        };
        Self { own, at, shared }
    }

    pub(super) fn len(&self) -> usize {
        self.own.len() + self.shared.len()
    }

    pub(super) fn own_len(&self) -> usize {
        self.own.len()
    }

    /// Prefix, shared middle and suffix.
    pub(super) fn texts(&self) -> [&str; 3] {
        let (head, tail) = self.own.split_at_checked(self.at).unwrap_or_default();
        [head, &self.shared, tail]
    }

    /// Copies the three parts into one text.
    #[must_use]
    pub fn whole(&self) -> ByteString {
        self.texts().concat().into()
    }

    /// The bytes of prefix, shared middle and suffix, without copying them.
    #[must_use]
    pub fn into_parts(self) -> [Bytes; 3] {
        let mut head = self.own.into_bytes();
        let tail = head.split_off(self.at);
        [head, self.shared.into_bytes(), tail]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_the_whole() {
        for (at, whole) in [
            (0, "sharedaé"),
            (1, "asharedé"),
            (2, "aéshared"),
            (9, "aéshared"),
        ] {
            let frame = SharedFrame::new("aé".into(), at, "shared".into());
            assert_eq!((frame.len(), &*frame.whole()), (whole.len(), whole));
            assert_eq!(frame.texts().concat(), whole);
            assert_eq!(frame.into_parts().concat(), whole.as_bytes());
        }
    }
}
