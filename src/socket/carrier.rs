//! What carries a session's bytes now: a parked poll, a websocket, or a websocket that is being probed.

use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;

use crate::engineio::CloseReason;

use super::abort_handle::AbortHandle;
use super::commands::PollAnswer;
use super::frame_queue::FrameQueue;

/// How long a websocket may take to handle a close before its connection is shut down.
const CLOSE_GRACE: Duration = Duration::from_secs(3);

/// Tells one websocket of a session from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkId(pub u64);

/// Command to a websocket transport: say goodbye and end.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct CloseTransport(pub CloseReason);

/// A websocket of this session.
#[derive(Debug)]
pub(super) struct WebsocketLink {
    pub(super) id: LinkId,
    pub(super) feed: FrameQueue,
    pub(super) close: Recipient<CloseTransport>,
    pub(super) kill: Option<AbortHandle>,
}

impl WebsocketLink {
    /// Ends the websocket; one that is stalled loses its connection, at once or after a grace period.
    pub(super) fn end(self, reason: CloseReason, stalled: bool) {
        if stalled && let Some(kill) = &self.kill {
            kill.shut_down();
        }
        actix::spawn(async move {
            let goodbye = self.close.send(CloseTransport(reason));
            let closed = tokio::time::timeout(CLOSE_GRACE, goodbye).await;
            if closed.is_err()
                && let Some(kill) = &self.kill
            {
                kill.shut_down();
            }
        });
    }
}

/// A poll that waits for something to say.
#[derive(Debug)]
pub(super) struct ParkedPoll {
    pub(super) id: u64,
    pub(super) reply: oneshot::Sender<PollAnswer>,
}
