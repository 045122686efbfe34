//! Puts fragmented websocket messages together, within bounds of bytes and of fragments.

use actix_http::ws::{Item, Message};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use thiserror::Error;

use crate::engineio::Frame;

/// More fragments than any client has reason to send; empty ones cost no bytes but do cost work.
const MAX_FRAGMENTS: usize = 4096;

/// Why a websocket message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum FragmentError {
    /// The message is larger than `max_payload`.
    #[error("message too large")]
    TooLarge,
    /// The message has more than [`MAX_FRAGMENTS`].
    #[error("too many fragments")]
    TooMany,
    /// A fragment without a beginning, or a beginning within a message.
    #[error("fragments out of order")]
    OutOfOrder,
    /// A text message that is not UTF-8.
    #[error("text is not valid UTF-8")]
    Utf8,
}

/// The message that is being put together.
#[derive(Debug)]
struct Partial {
    is_text: bool,
    bytes: BytesMut,
    fragments: usize,
}

/// Reassembles the messages of one websocket.
#[derive(Debug)]
pub(super) struct Fragments {
    max_bytes: usize,
    partial: Option<Partial>,
}

impl Fragments {
    pub(super) const fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            partial: None,
        }
    }

    /// Takes a message from the websocket; gives the frame that it completes, if it does.
    pub(super) fn accept(&mut self, message: Message) -> Result<Option<Frame>, FragmentError> {
        match message {
            Message::Text(text) => self.whole(Frame::Text(text)),
            Message::Binary(bytes) => self.whole(Frame::Binary(bytes)),
            Message::Continuation(item) => self.fragment(item),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Nop => Ok(None),
        }
    }

    fn whole(&self, frame: Frame) -> Result<Option<Frame>, FragmentError> {
        if self.partial.is_some() {
            return Err(FragmentError::OutOfOrder);
        }
        if frame.len() > self.max_bytes {
            return Err(FragmentError::TooLarge);
        }
        Ok(Some(frame))
    }

    fn fragment(&mut self, item: Item) -> Result<Option<Frame>, FragmentError> {
        let (begins, ends, bytes) = match item {
            Item::FirstText(bytes) => (Some(true), false, bytes),
            Item::FirstBinary(bytes) => (Some(false), false, bytes),
            Item::Continue(bytes) => (None, false, bytes),
            Item::Last(bytes) => (None, true, bytes),
        };
        if let Some(is_text) = begins {
            if self.partial.is_some() {
                return Err(FragmentError::OutOfOrder);
            }
            self.partial = Some(Partial {
                is_text,
                bytes: BytesMut::new(),
                fragments: 0,
            });
        }
        let partial = self.partial.as_mut().ok_or(FragmentError::OutOfOrder)?;
        append(partial, &bytes, self.max_bytes)?;
        if !ends {
            return Ok(None);
        }
        self.partial.take().map(finish).transpose()
    }
}

fn append(partial: &mut Partial, bytes: &Bytes, max_bytes: usize) -> Result<(), FragmentError> {
    partial.fragments += 1;
    if partial.fragments > MAX_FRAGMENTS {
        return Err(FragmentError::TooMany);
    }
    if partial.bytes.len() + bytes.len() > max_bytes {
        return Err(FragmentError::TooLarge);
    }
    partial.bytes.extend_from_slice(bytes);
    Ok(())
}

fn finish(partial: Partial) -> Result<Frame, FragmentError> {
    let bytes = partial.bytes.freeze();
    if partial.is_text {
        let text = ByteString::try_from(bytes).map_err(|_| FragmentError::Utf8)?;
        Ok(Frame::Text(text))
    } else {
        Ok(Frame::Binary(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &'static str) -> Message {
        Message::Continuation(Item::FirstText(Bytes::from_static(text.as_bytes())))
    }

    fn middle(bytes: &'static [u8]) -> Message {
        Message::Continuation(Item::Continue(Bytes::from_static(bytes)))
    }

    fn last(bytes: &'static [u8]) -> Message {
        Message::Continuation(Item::Last(Bytes::from_static(bytes)))
    }

    #[test]
    fn fragments_become_one_frame() {
        let mut fragments = Fragments::new(100);
        assert_eq!(fragments.accept(first("4he")), Ok(None));
        assert_eq!(fragments.accept(Message::Ping(Bytes::new())), Ok(None));
        assert_eq!(fragments.accept(middle(b"ll")), Ok(None));
        assert_eq!(
            fragments.accept(last(b"o")),
            Ok(Some(Frame::Text("4hello".into())))
        );
        assert_eq!(
            fragments.accept(Message::Text("4on".into())),
            Ok(Some(Frame::Text("4on".into())))
        );
    }

    #[test]
    fn a_character_may_be_split_but_must_be_whole_in_the_end() {
        let mut fragments = Fragments::new(100);
        fragments.accept(first("4")).unwrap();
        fragments.accept(middle(&[0xc3])).unwrap();
        assert_eq!(
            fragments.accept(last(&[0xa9])),
            Ok(Some(Frame::Text("4é".into())))
        );
        fragments.accept(first("4")).unwrap();
        assert_eq!(fragments.accept(last(&[0xc3])), Err(FragmentError::Utf8));
    }

    #[test]
    fn bounds_hold_for_bytes_and_for_fragments() {
        let mut fragments = Fragments::new(5);
        fragments.accept(first("4abc")).unwrap();
        assert_eq!(
            fragments.accept(middle(b"de")),
            Err(FragmentError::TooLarge)
        );
        let whole = Message::Text("4abcde".into());
        assert_eq!(
            Fragments::new(5).accept(whole),
            Err(FragmentError::TooLarge)
        );

        let mut fragments = Fragments::new(5);
        fragments.accept(first("")).unwrap();
        let refused = (0..=MAX_FRAGMENTS).find_map(|_| fragments.accept(middle(b"")).err());
        assert_eq!(refused, Some(FragmentError::TooMany));
    }

    #[test]
    fn order_is_kept() {
        assert_eq!(
            Fragments::new(9).accept(middle(b"x")),
            Err(FragmentError::OutOfOrder)
        );
        let mut fragments = Fragments::new(9);
        fragments.accept(first("4")).unwrap();
        assert_eq!(fragments.accept(first("4")), Err(FragmentError::OutOfOrder));
        let mut fragments = Fragments::new(9);
        fragments.accept(first("4")).unwrap();
        let whole = Message::Text("4".into());
        assert_eq!(fragments.accept(whole), Err(FragmentError::OutOfOrder));
    }
}
