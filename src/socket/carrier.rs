//! The transports of a session: a parked poll, a websocket, or a websocket that is being probed.

use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;

use crate::engineio::{CloseReason, Frame, PollRefused};

use super::abort_handle::AbortHandle;
use super::frame_queue::FrameQueue;

/// How long a websocket may take to close before its connection is aborted.
const CLOSE_GRACE: Duration = Duration::from_secs(3);

/// Distinguishes the websockets of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkId(pub u64);

/// To a websocket transport: send a close frame and stop.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct CloseTransport(pub CloseReason);

/// A websocket of a session, as its socket sees it.
#[derive(Debug)]
pub struct WebsocketLink {
    /// Distinguishes this websocket from others.
    pub id: LinkId,
    /// The queue of outbound frames. The connection takes them while the client reads.
    pub queue: FrameQueue,
    /// Receives the command to close.
    pub close: Recipient<CloseTransport>,
    /// Aborts the connection, if that is possible from outside.
    pub abort: Option<AbortHandle>,
}

impl WebsocketLink {
    /// Closes the websocket. The connection of a stalled one is aborted, at once or after a grace period.
    pub(super) fn end(self, reason: CloseReason, stalled: bool) {
        let abort = self.abort.unwrap_or_default();
        if stalled {
            abort.abort();
        }
        actix::spawn(async move {
            let closing = self.close.send(CloseTransport(reason));
            if tokio::time::timeout(CLOSE_GRACE, closing).await.is_err() {
                abort.abort();
            }
        });
    }
}

/// The answer to a poll.
#[derive(Debug)]
pub enum PollAnswer {
    /// The frames of one payload.
    Frames(Vec<Frame>),
    /// The session refuses the poll.
    Refused(PollRefused),
}

/// A GET that waits for frames.
#[derive(Debug)]
pub struct Poll {
    /// Distinguishes this poll from later ones.
    pub id: u64,
    /// Receives the answer to the poll.
    pub reply: oneshot::Sender<PollAnswer>,
}
