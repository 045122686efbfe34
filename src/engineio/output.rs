//! What a session reports to the application and asks of the transport.

use thiserror::Error;

use super::close_reason::CloseReason;
use super::codec::{Data, Frame};

/// What the session reports to the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineEvent {
    /// The client sent a message.
    Message(Data),
    /// The session moved from polling to a websocket.
    Upgraded,
    /// The session ended. No event follows.
    Closed(CloseReason),
}

/// What the driver of the session must do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transmit {
    /// Respond to the parked poll with these frames as one payload.
    Poll(Vec<Frame>),
    /// Refuse the parked poll, because the session is on a websocket.
    RefusePoll(PollRefused),
    /// Write these frames to the websocket, then call [`super::EngineSession::handle_written`].
    Websocket(Vec<Frame>),
    /// Write this frame to the websocket that is being probed.
    Probe(Frame),
    /// Close the session's websocket, because the session has ended.
    CloseWebsocket,
    /// Close the websocket that is being probed.
    CloseProbe,
}

/// Why a poll is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PollRefused {
    /// The session is on a websocket.
    #[error("the session is on a websocket")]
    OnWebsocket,
    /// Another poll is already parked. This ends the session.
    #[error("another poll is pending")]
    Overlapping,
    /// The session is closed.
    #[error("the session is closed")]
    Closed,
}
