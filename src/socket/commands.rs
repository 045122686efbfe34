//! Messages from the transports to a [`super::Socket`].

use std::time::Duration;

use actix::prelude::*;
use thiserror::Error;

use crate::engineio::{CloseReason, Frame, Packet, UpgradeRefused};

use super::carrier::{LinkId, Poll, WebsocketLink};

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

/// News from a transport that needs no answer.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum FromTransport {
    /// A GET arrived. It is answered once there are frames to send.
    Poll(Poll),
    /// The client closed the poll with this id before it was answered.
    PollAborted(u64),
    /// The client closed a poll after it was answered and before it received these frames.
    PollUndelivered(Vec<Frame>),
    /// A POST brought a body that is no valid payload.
    Malformed,
    /// The websocket with this id ended.
    WebsocketGone {
        /// The id of the websocket.
        id: LinkId,
        /// Whether it ended because the client sent something invalid.
        malformed: bool,
    },
}

/// A POST brought packets. The answer comes once they are handled, and says how long to wait before the next ones.
#[derive(Debug, Message)]
#[rtype(result = "Result<Duration, IngestRefused>")]
pub struct Ingest {
    /// The packets in their order.
    pub packets: Vec<Packet>,
    /// The length of the body in bytes.
    pub bytes: usize,
}

/// A websocket opened for this session, as its first transport or to replace polling.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), UpgradeRefused>")]
pub struct Attach(pub WebsocketLink);

/// A frame arrived on a websocket. The answer comes once it is handled, and says how long to wait before the next one.
#[derive(Debug, Message)]
#[rtype(result = "Option<Duration>")]
pub struct FromWebsocket {
    /// The id of the websocket.
    pub id: LinkId,
    /// The content. `None` for a control frame, or for a fragment of a message.
    pub frame: Option<Frame>,
}

/// Ends the session for this reason.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Close(pub CloseReason);
