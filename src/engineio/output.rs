//! What a session says to its application and to whoever carries its bytes.

use thiserror::Error;

use super::close_reason::CloseReason;
use super::codec::{Data, Frame};

/// What the session tells its application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineEvent {
    /// The client sent a message.
    Message(Data),
    /// The session moved from polling to a websocket.
    Upgraded,
    /// The session ended; nothing follows.
    Closed(CloseReason),
}

/// What the carrier of the session's bytes must do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transmit {
    /// Answer the parked poll with these frames as one payload.
    Poll(Vec<Frame>),
    /// Refuse the parked poll: the session has moved on.
    RefusePoll(PollRefused),
    /// Hand these frames to the websocket, then call [`super::EngineSession::handle_written`].
    Websocket(Vec<Frame>),
    /// Hand this frame to the websocket that is being probed.
    Probe(Frame),
    /// Close the websocket.
    CloseWebsocket,
    /// Close the websocket that is being probed.
    CloseProbe,
}

/// A poll may not be parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PollRefused {
    /// The session is on a websocket.
    #[error("the session is on a websocket")]
    OnWebsocket,
    /// A poll was parked already; the session is closed by this.
    #[error("another poll is pending")]
    Overlapping,
    /// The session is closed.
    #[error("the session is closed")]
    Closed,
}
