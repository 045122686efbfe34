//! Messages from the transports to a [`super::Socket`].

use std::time::Duration;

use actix::prelude::*;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::engineio::{CloseReason, Frame, Packet, PollRefused, UpgradeRefused};

use super::abort_handle::AbortHandle;
use super::carrier::{CloseTransport, LinkId};
use super::frame_queue::FrameQueue;

/// The answer to a poll.
#[derive(Debug)]
pub enum PollAnswer {
    /// The frames of one payload.
    Frames(Vec<Frame>),
    /// The session refuses the poll.
    Refused(PollRefused),
}

/// Why packets were not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IngestRefused {
    /// The session has ended, or uses another transport.
    #[error("the session does not take packets from this transport")]
    Closed,
    /// The client sent much too fast, which has ended the session.
    #[error("too many packets came in too short a time")]
    TooFast,
}

/// A GET arrived: it is answered once there are frames to send.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Poll {
    /// Distinguishes this poll from later ones.
    pub id: u64,
    /// Receives the answer to the poll.
    pub reply: oneshot::Sender<PollAnswer>,
}

/// The client closed this poll before it was answered.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct PollAborted {
    /// The [`Poll::id`] of the poll.
    pub id: u64,
}

/// The client closed a poll after it was answered and before it received the frames.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct PollUndelivered(pub Vec<Frame>);

/// A POST brought packets. The answer comes once they are handled, and says how long to wait before the next ones.
#[derive(Debug, Message)]
#[rtype(result = "Result<Duration, IngestRefused>")]
pub struct Ingest {
    /// The packets in their order.
    pub packets: Vec<Packet>,
    /// The length of the body in bytes.
    pub bytes: usize,
}

/// A POST brought a body that is no valid payload.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Malformed;

/// A websocket opened for this session, as its first transport or to replace polling.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), UpgradeRefused>")]
pub struct Attach {
    /// Distinguishes this websocket from others.
    pub id: LinkId,
    /// The queue of outbound frames. The connection takes them while the client reads.
    pub queue: FrameQueue,
    /// Receives the command to close.
    pub close: Recipient<CloseTransport>,
    /// Aborts the connection, if that is possible from outside.
    pub abort: Option<AbortHandle>,
}

/// A frame arrived on a websocket. The answer comes once it is handled, and says how long to wait before the next one.
#[derive(Debug, Message)]
#[rtype(result = "Option<Duration>")]
pub struct FromWebsocket {
    /// The [`Attach::id`] of the websocket.
    pub id: LinkId,
    /// The content. `None` for a control frame, or for a fragment of a message.
    pub frame: Option<Frame>,
}

/// A websocket of the session ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct WebsocketGone {
    /// The [`Attach::id`] of the websocket.
    pub id: LinkId,
    /// Whether it ended because the client sent something invalid.
    pub malformed: bool,
}

/// Ends the session for this reason.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Close(pub CloseReason);
