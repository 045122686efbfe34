//! The interface between a session and the application on it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use actix::Context;
use thiserror::Error;

use crate::engineio::{CloseReason, Data, EngineSession, Frame};
use crate::ids::{IdentityKey, Sid};
use crate::limits::{AddressKey, Cost};

use super::actor::Socket;

/// An application on Engine.IO sessions; one value for each session.
///
/// It may start futures and timers on the context. It may handle its own actor messages through
/// [`Socket::with_application`].
pub trait Application: Sized + Unpin + 'static {
    /// Called first, when the session has begun.
    fn opened(&mut self, link: &mut Link<'_>, ctx: &mut Context<Socket<Self>>);

    /// Charges received frames, which are handled next. Returns how long the client must wait before the next ones.
    ///
    /// # Errors
    /// [`TooFast`]: the session ends, and the frames are not handled.
    fn arrived(&mut self, _amount: Cost, _now: Instant) -> Result<Duration, TooFast> {
        Ok(Duration::ZERO)
    }

    /// How long to leave the client unread after its frames were handled, because answers wait.
    fn pause(&self) -> Duration {
        Duration::ZERO
    }

    /// Handles a message. Messages arrive in the order of sending.
    fn received(&mut self, data: Data, link: &mut Link<'_>, ctx: &mut Context<Socket<Self>>);

    /// When [`Self::handle_timeout`] is due. Asked again after every call.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Handles the deadlines that have passed.
    fn handle_timeout(&mut self, _link: &mut Link<'_>, _ctx: &mut Context<Socket<Self>>) {}

    /// Bytes of frames that the application holds back from the session.
    fn waiting_bytes(&self) -> usize {
        0
    }

    /// Whether an answer is still to come. A shutdown waits for it.
    fn owes_answers(&self) -> bool {
        false
    }

    /// The identity of the client. Once known, it never changes.
    fn identity(&self) -> Option<IdentityKey> {
        None
    }

    /// Called last, when the session has ended.
    fn closed(&mut self, reason: CloseReason, ctx: &mut Context<Socket<Self>>);
}

/// The client sends too fast to be slowed down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the client sends too fast to be slowed down")]
pub struct TooFast;

/// Why a session is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OpeningRefused {
    /// The address has too many sockets without an authenticated identity.
    #[error("its address has too many unauthenticated sockets")]
    TooManyOfOne,
    /// All addresses together have too many of those sockets.
    #[error("there are too many unauthenticated sockets")]
    TooManyOfAll,
}

/// The facts known when a session begins.
#[derive(Debug, Clone, Copy)]
pub struct Opening {
    /// The id of the session.
    pub sid: Sid,
    /// The remote end of the connection that began the session.
    pub remote: Option<SocketAddr>,
    /// The address that limits count the session for; `None` if it is exempt.
    pub counted_for: Option<AddressKey>,
}

/// The session as the application sees it during one call.
#[derive(Debug)]
pub struct Link<'a> {
    sid: Sid,
    connection: &'a mut EngineSession,
    now: Instant,
}

impl<'a> Link<'a> {
    /// Lends a session to its application for one call, at this time.
    pub const fn new(sid: Sid, connection: &'a mut EngineSession, now: Instant) -> Self {
        Self {
            sid,
            connection,
            now,
        }
    }

    /// The id of the session.
    pub const fn sid(&self) -> Sid {
        self.sid
    }

    /// The time of this call.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Queues a packet, and the attachments that follow it directly.
    pub fn send(&mut self, frame: Frame, attachments: &[Frame]) {
        self.connection.send(frame, attachments);
    }

    /// Ends the session for this reason.
    pub fn close(&mut self, reason: CloseReason) {
        self.connection.close(reason, self.now);
    }
}
