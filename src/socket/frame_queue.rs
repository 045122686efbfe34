//! Frames on their way from a [`super::Socket`] to the connection of its websocket.
//!
//! Shared memory rather than a mailbox: what a delivery costs besides its signature is what it takes to hand one frame
//! to the connection.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use actix::prelude::*;

use crate::engineio::Frame;

/// What was given to a websocket was taken.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Drained;

#[derive(Default)]
struct State {
    frames: Vec<Frame>,
    /// Whether the writer is busy with what it took last.
    in_hand: bool,
    /// Who writes.
    writer: Option<Waker>,
    /// Who waits for the writer.
    waiting: Option<Recipient<Drained>>,
}

/// One batch of frames at a time, between the session that gives it and the connection that takes it.
#[derive(Clone, Default)]
pub struct FrameQueue(Arc<Mutex<State>>);

impl fmt::Debug for FrameQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameQueue").finish_non_exhaustive()
    }
}

impl FrameQueue {
    /// A feed without frames.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives frames to the writer.
    pub fn give(&self, frames: Vec<Frame>) {
        let mut state = self.lock();
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

    /// Takes what was given. Asking again says that what was taken before is written.
    pub fn poll_drain(&self, cx: &Context<'_>) -> Poll<Vec<Frame>> {
        let mut state = self.lock();
        if !state.frames.is_empty() {
            state.in_hand = true;
            return Poll::Ready(std::mem::take(&mut state.frames));
        }
        state.in_hand = false;
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

    /// Whether all that was given is with the connection.
    pub(super) fn is_drained(&self) -> bool {
        let state = self.lock();
        state.frames.is_empty() && !state.in_hand
    }

    /// The same; if not, `waiting` is told when it is.
    pub(super) fn is_drained_or_notify(
        &self,
        waiting: impl FnOnce() -> Recipient<Drained>,
    ) -> bool {
        let mut state = self.lock();
        let taken = state.frames.is_empty() && !state.in_hand;
        if !taken && state.waiting.is_none() {
            state.waiting = Some(waiting());
        }
        taken
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &'static str) -> Frame {
        Frame::Text(text.into())
    }

    /// Keeps that it was told.
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
        let feed = FrameQueue::new();
        let cx = Context::from_waker(Waker::noop());
        assert!(feed.poll_drain(&cx).is_pending() && feed.is_drained());
        feed.give(vec![frame("4a")]);
        feed.give(vec![frame("4b")]);
        assert!(!feed.is_drained());
        let both = vec![frame("4a"), frame("4b")];
        assert_eq!(feed.poll_drain(&cx), Poll::Ready(both));
        let (told, mut news) = tokio::sync::mpsc::unbounded_channel();
        let listener = Listener(told).start();
        let recipient = || listener.clone().recipient();
        assert!(!feed.is_drained() && !feed.is_drained_or_notify(recipient));
        assert!(news.try_recv().is_err());
        assert!(feed.poll_drain(&cx).is_pending());
        assert!(feed.is_drained() && feed.is_drained_or_notify(recipient));
        news.recv().await.unwrap();
    }

    #[actix::test]
    async fn a_writer_that_waits_is_woken() {
        let feed = FrameQueue::new();
        let taken = futures_util::future::poll_fn(|cx| feed.poll_drain(cx));
        let give = async { feed.give(vec![frame("4a")]) };
        let (taken, ()) = futures_util::future::join(taken, give).await;
        assert_eq!(taken, [frame("4a")]);
    }
}
