//! The body of a websocket's response: the frames of its session, and what its actor has to say.
//!
//! Frames go from the session's feed to the connection without passing through the actor. The actor is polled only when it
//! has input.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::vec;

use actix_web::Error;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::Stream;

use crate::engineio::Frame;
use crate::socket::FrameQueue;

/// RFC 6455 §5.2: the last fragment of a text, of binary data.
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

/// Frames and the actor's stream, as one stream of bytes.
pub(super) struct WebsocketBody<S> {
    feed: FrameQueue,
    taken: vec::IntoIter<Frame>,
    /// The rest of the frame that is being written.
    parts: [Bytes; 2],
    actor: S,
    bell: Arc<Bell>,
    waker: Waker,
}

/// Says that something came for the actor, and wakes the connection.
struct Bell {
    rung: AtomicBool,
    connection: futures_util::task::AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.connection.wake();
    }
}

impl<S> WebsocketBody<S> {
    pub(super) fn new(feed: FrameQueue, actor: S) -> Self {
        let bell = Arc::new(Bell {
            rung: AtomicBool::new(true),
            connection: futures_util::task::AtomicWaker::new(),
        });
        Self {
            feed,
            taken: Vec::new().into_iter(),
            parts: Default::default(),
            actor,
            waker: Waker::from(Arc::clone(&bell)),
            bell,
        }
    }

    /// The next bytes of the frames that were taken.
    fn next_of_frame(&mut self) -> Option<Bytes> {
        if let Some(part) = self.parts.iter_mut().find(|part| !part.is_empty()) {
            return Some(std::mem::take(part));
        }
        let frame = self.taken.next()?;
        let length = frame.len();
        // A head is short: behind the header it is one piece less to hand over.
        let (first, [head, content, tail]) = match frame {
            Frame::Text(text) => (TEXT, [Bytes::new(), text.into_bytes(), Bytes::new()]),
            Frame::Shared(shared) => (TEXT, shared.into_parts()),
            Frame::Binary(bytes) => (BINARY, [Bytes::new(), bytes, Bytes::new()]),
        };
        self.parts = [content, tail];
        Some(header(first, length, &head))
    }
}

impl<S: Stream<Item = Result<Bytes, Error>> + Unpin> Stream for WebsocketBody<S> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(bytes) = this.next_of_frame() {
                return Poll::Ready(Some(Ok(bytes)));
            }
            if let Poll::Ready(frames) = this.feed.poll_drain(cx) {
                this.taken = frames.into_iter();
                continue;
            }
            this.bell.connection.register(cx.waker());
            if !this.bell.rung.swap(false, Ordering::AcqRel) {
                return Poll::Pending;
            }
            let mut actor_cx = Context::from_waker(&this.waker);
            let said = Pin::new(&mut this.actor).poll_next(&mut actor_cx);
            if said.is_ready() {
                // It has more to say, or has ended.
                this.bell.rung.store(true, Ordering::Release);
                return said;
            }
            // What the actor did may have given frames.
        }
    }
}

/// The header of an unmasked, unfragmented frame, and the beginning of its content.
fn header(first: u8, length: usize, content: &[u8]) -> Bytes {
    let mut header = BytesMut::with_capacity(10 + content.len());
    header.put_u8(first);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => header.put_u8(short),
        (_, Ok(medium)) => {
            header.put_u8(126);
            header.put_u16(medium);
        }
        _ => {
            header.put_u8(127);
            header.put_u64(length as u64);
        }
    }
    header.put_slice(content);
    header.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_codec::Decoder as _;
    use actix_http::ws::{Codec, Frame as WsFrame};
    use futures_util::StreamExt as _;

    /// Reads frames as a client does.
    fn read(bytes: &[u8]) -> Vec<WsFrame> {
        let mut codec = Codec::new().client_mode().max_size(1 << 20);
        let mut bytes = BytesMut::from(bytes);
        let mut frames = Vec::new();
        while let Some(frame) = codec.decode(&mut bytes).unwrap() {
            frames.push(frame);
        }
        assert!(bytes.is_empty());
        frames
    }

    #[actix_web::test]
    async fn frames_of_any_length_are_written_as_a_client_reads_them() {
        let feed = FrameQueue::new();
        let lengths = [0, 1, 125, 126, 65_535, 65_536, 70_000];
        let text = |length: usize| "x".repeat(length);
        let mut frames: Vec<Frame> = lengths.map(|n| Frame::Text(text(n).into())).to_vec();
        frames.push(Frame::Binary(Bytes::from_static(b"\x04bin")));
        let shared = Frame::shared_message(9, "hare".into(), |own| {
            own.push_str("sd");
            Ok::<_, ()>(2)
        });
        frames.push(shared.unwrap());
        feed.push(frames);
        let goodbye = futures_util::stream::iter([Ok(Bytes::from_static(b"\x88\x00"))]);
        let body = WebsocketBody::new(feed, goodbye);
        let chunks: Vec<Bytes> = body.map(Result::unwrap).collect().await;
        let texts = lengths.map(|n| WsFrame::Text(text(n).into()));
        let mut expected = Vec::from(texts);
        expected.push(WsFrame::Binary(Bytes::from_static(b"\x04bin")));
        expected.push(WsFrame::Text("4shared".into()));
        expected.push(WsFrame::Close(None));
        assert_eq!(read(&chunks.concat()), expected);
    }

    #[actix_web::test]
    async fn the_actor_is_polled_when_something_came_for_it_and_not_for_every_frame() {
        let feed = FrameQueue::new();
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let polls = std::rc::Rc::new(std::cell::Cell::new(0));
        let counted = std::rc::Rc::clone(&polls);
        let mut receiver = receiver;
        let actor = futures_util::stream::poll_fn(move |cx| {
            counted.set(counted.get() + 1);
            receiver
                .poll_recv(cx)
                .map(|bytes: Option<Bytes>| bytes.map(Ok))
        });
        let mut body = WebsocketBody::new(feed.clone(), actor);
        let nothing = futures_util::poll!(body.next());
        assert!(nothing.is_pending());
        let before = polls.get();
        for _ in 0..3 {
            feed.push(vec![Frame::Text("4a".into())]);
            assert_eq!(body.next().await.unwrap().unwrap(), [0x81, 2][..]);
            assert_eq!(body.next().await.unwrap().unwrap(), "4a");
            assert!(futures_util::poll!(body.next()).is_pending());
        }
        assert_eq!(polls.get(), before);
        sender.send(Bytes::from_static(b"pong")).unwrap();
        assert_eq!(body.next().await.unwrap().unwrap(), "pong");
        drop(sender);
        assert!(body.next().await.is_none());
    }
}
