//! The queue of frames from a [`super::Socket`] to the connection of its websocket.
//!
//! Shared memory, not a mailbox: beside its signature, a delivery should cost no more than handing one frame over.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use actix::prelude::*;
use parking_lot::Mutex;

use crate::engineio::Frame;

/// The connection has written all queued frames.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Drained;

#[derive(Default)]
struct State {
    frames: Vec<Frame>,
    /// Whether the connection is still writing the last batch.
    is_writing: bool,
    /// Wakes the connection that waits for frames.
    writer: Option<Waker>,
    /// The socket that waits for the connection.
    waiting: Option<Recipient<Drained>>,
}

/// A queue of one batch of frames. Clones share it.
#[derive(Clone, Default)]
pub struct FrameQueue(Arc<Mutex<State>>);

impl fmt::Debug for FrameQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameQueue").finish_non_exhaustive()
    }
}

impl FrameQueue {
    /// Creates an empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds frames and wakes the connection.
    pub fn push(&self, frames: Vec<Frame>) {
        let mut state = self.0.lock();
        if state.frames.is_empty() {
            state.frames = frames;
        } else {
            state.frames.extend(frames);
        }
        let writer = state.writer.take();
        drop(state);
        if let Some(writer) = writer {
            writer.wake();
        }
    }

    /// Takes all frames. The next call means that they are written.
    pub fn poll_drain(&self, cx: &Context<'_>) -> Poll<Vec<Frame>> {
        let mut state = self.0.lock();
        if !state.frames.is_empty() {
            state.is_writing = true;
            return Poll::Ready(std::mem::take(&mut state.frames));
        }
        state.is_writing = false;
        match &mut state.writer {
            Some(writer) => writer.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waiting) = waiting {
            waiting.do_send(Drained);
        }
        Poll::Pending
    }

    /// Whether the connection has written all frames.
    pub(super) fn is_drained(&self) -> bool {
        let state = self.0.lock();
        state.frames.is_empty() && !state.is_writing
    }

    /// Whether the connection has written all frames. If not, `waiting` gets [`Drained`] once it has.
    pub(super) fn is_drained_or_notify(
        &self,
        waiting: impl FnOnce() -> Recipient<Drained>,
    ) -> bool {
        let mut state = self.0.lock();
        let is_drained = state.frames.is_empty() && !state.is_writing;
        if !is_drained && state.waiting.is_none() {
            state.waiting = Some(waiting());
        }
        is_drained
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &'static str) -> Frame {
        Frame::Text(text.into())
    }

    /// Forwards each notice to the test.
    struct Listener(tokio::sync::mpsc::UnboundedSender<()>);

    impl Actor for Listener {
        type Context = actix::Context<Self>;
    }

    impl Handler<Drained> for Listener {
        type Result = ();

        fn handle(&mut self, _: Drained, _ctx: &mut Self::Context) {
            self.0.send(()).unwrap();
        }
    }

    #[actix::test]
    async fn a_batch_is_taken_once_the_next_is_asked_for() {
        let queue = FrameQueue::new();
        let cx = Context::from_waker(Waker::noop());
        assert!(queue.poll_drain(&cx).is_pending() && queue.is_drained());
        queue.push(vec![frame("4a")]);
        queue.push(vec![frame("4b")]);
        assert!(!queue.is_drained());
        let both = vec![frame("4a"), frame("4b")];
        assert_eq!(queue.poll_drain(&cx), Poll::Ready(both));
        let (notices, mut received) = tokio::sync::mpsc::unbounded_channel();
        let listener = Listener(notices).start();
        let recipient = || listener.clone().recipient();
        assert!(!queue.is_drained() && !queue.is_drained_or_notify(recipient));
        assert!(received.try_recv().is_err());
        assert!(queue.poll_drain(&cx).is_pending());
        assert!(queue.is_drained() && queue.is_drained_or_notify(recipient));
        received.recv().await.unwrap();
    }

    #[actix::test]
    async fn a_writer_that_waits_is_woken() {
        let queue = FrameQueue::new();
        let taken = futures_util::future::poll_fn(|cx| queue.poll_drain(cx));
        let give = async { queue.push(vec![frame("4a")]) };
        let (taken, ()) = futures_util::future::join(taken, give).await;
        assert_eq!(taken, [frame("4a")]);
    }
}
