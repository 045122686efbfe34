//! What a [`super::Socket`] is asked and told by the transports.

use std::time::Duration;

use actix::prelude::*;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::engineio::{CloseReason, Frame, Packet, PollRefused, UpgradeRefused};

use super::abort_handle::AbortHandle;
use super::carrier::{CloseTransport, LinkId};
use super::frame_queue::FrameQueue;

/// The answer to a poll: the frames of one payload.
pub type PollAnswer = Result<Vec<Frame>, PollRefused>;

/// Packets were not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IngestRefused {
    /// The session has ended, or is on another transport.
    #[error("the session does not take packets from this transport")]
    Closed,
    /// They are far more than the session may bring in that time, and have ended it.
    #[error("too many packets came in too short a time")]
    TooFast,
}

/// A GET came: answer it when there is something to say.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Poll {
    /// Tells this poll from a later one.
    pub id: u64,
    /// Where the answer goes.
    pub reply: oneshot::Sender<PollAnswer>,
}

/// The client of this poll went away before it was answered.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct PollAborted {
    /// The poll's [`Poll::id`].
    pub id: u64,
}

/// The client of a poll went away when it was answered, and before the answer was taken.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct PollUndelivered(pub Vec<Frame>);

/// A POST brought these packets. The answer means that they were handled, and says how long to wait before more are taken.
#[derive(Debug, Message)]
#[rtype(result = "Result<Duration, IngestRefused>")]
pub struct Ingest {
    /// The packets.
    pub packets: Vec<Packet>,
    /// Bytes that they came in.
    pub bytes: usize,
}

/// A POST brought something that is no payload.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Malformed;

/// A websocket opened for this session, as its first transport or to take over from polling.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), UpgradeRefused>")]
pub struct Attach {
    /// Tells this websocket from another.
    pub id: LinkId,
    /// Where frames go. What was given is taken when the connection has room for it, which a client that does not
    /// read keeps from happening.
    pub feed: FrameQueue,
    /// Where the end is announced.
    pub close: Recipient<CloseTransport>,
    /// The connection, if it can be shut down from outside.
    pub kill: Option<AbortHandle>,
}

/// A frame came on a websocket. The answer means that it was handled, so that the next is not read before, and says how
/// long to wait until then.
#[derive(Debug, Message)]
#[rtype(result = "Option<Duration>")]
pub struct FromWebsocket {
    /// The websocket's [`Attach::id`].
    pub id: LinkId,
    /// Its content; none where it is the websocket's own, or a part of one.
    pub frame: Option<Frame>,
}

/// A websocket ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct WebsocketGone {
    /// The websocket's [`Attach::id`].
    pub id: LinkId,
    /// Whether it ended because of what the client sent.
    pub malformed: bool,
}

/// End the session.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Close(pub CloseReason);
