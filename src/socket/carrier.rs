//! The transports of a session: a parked poll, a websocket, or a websocket that is being probed.

use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;

use crate::engineio::CloseReason;

use super::abort_handle::AbortHandle;
use super::commands::PollAnswer;
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

/// A websocket of this session, as the socket sees it.
#[derive(Debug)]
pub(super) struct WebsocketLink {
    pub(super) id: LinkId,
    pub(super) queue: FrameQueue,
    pub(super) close: Recipient<CloseTransport>,
    pub(super) abort: Option<AbortHandle>,
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

/// A poll that waits for frames.
#[derive(Debug)]
pub(super) struct ParkedPoll {
    pub(super) id: u64,
    pub(super) reply: oneshot::Sender<PollAnswer>,
}
