//! A text message whose middle is shared with other messages.

use bytes::Bytes;
use bytestring::ByteString;

/// The packet type and data of a message in three parts: its own beginning and end, and a middle that it shares.
///
/// A broadcast is mostly the same for all of its receivers: what they share is neither copied for each of them nor kept
/// more than once while they wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFrame {
    /// Beginning and end, one behind the other.
    own: ByteString,
    /// Length of the beginning.
    at: usize,
    shared: ByteString,
}

impl SharedFrame {
    /// Puts `shared` into `own`, `at` bytes from its beginning; where that is no place, at its end.
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

    /// The parts, which together are the text.
    pub(super) fn texts(&self) -> [&str; 3] {
        let (head, tail) = self.own.split_at_checked(self.at).unwrap_or_default();
        [head, &self.shared, tail]
    }

    /// The text, copied into one.
    #[must_use]
    pub fn whole(&self) -> ByteString {
        self.texts().concat().into()
    }

    /// The bytes of the parts, which together are the text; nothing is copied.
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
