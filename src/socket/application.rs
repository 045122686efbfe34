//! What an application does with a session: the port between the transport and everything above it.

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
/// It may start futures and timers on the context, and handle actor messages of its own through
/// [`Socket::with_application`].
pub trait Application: Sized + Unpin + 'static {
    /// The session began.
    fn opened(&mut self, link: &mut Link<'_>, ctx: &mut Context<Socket<Self>>);

    /// So much came, and is handled next: says how long the client is then left waiting before more is taken.
    ///
    /// # Errors
    /// [`TooFast`]: the session ends, and what came is not handled.
    fn arrived(&mut self, _cost: Cost, _now: Instant) -> Result<Duration, TooFast> {
        Ok(Duration::ZERO)
    }

    /// How long the client is left unread now that what came is handled: as long as its answers wait.
    fn pause(&self) -> Duration {
        Duration::ZERO
    }

    /// A message came; messages come in the order in which they were sent.
    fn received(&mut self, data: Data, link: &mut Link<'_>, ctx: &mut Context<Socket<Self>>);

    /// When [`Self::handle_timeout`] is due; asked again after every call.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Does what is due.
    fn handle_timeout(&mut self, _link: &mut Link<'_>, _ctx: &mut Context<Socket<Self>>) {}

    /// Bytes that wait here for the client, before the session has them.
    fn waiting_bytes(&self) -> usize {
        0
    }

    /// Whether a message is not answered yet whose answer will come; a server that goes down waits for it.
    fn owes_answers(&self) -> bool {
        false
    }

    /// Whom the client has proven to be; it does not change once it is known.
    fn identity(&self) -> Option<IdentityKey> {
        None
    }

    /// The session ended. Called once, last.
    fn closed(&mut self, reason: CloseReason, ctx: &mut Context<Socket<Self>>);
}

/// More came than the client could be left waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("more came than the client could be left waiting for")]
pub struct TooFast;

/// Why a session is not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OpeningRefused {
    /// Its address has as many as it may have.
    #[error("its address has too many sockets that have proven nothing")]
    TooManyOfOne,
    /// All together have as many as they may have.
    #[error("there are too many sockets that have proven nothing")]
    TooManyOfAll,
}

/// What is known of a session when it begins.
#[derive(Debug, Clone, Copy)]
pub struct Opening {
    /// The session's id.
    pub sid: Sid,
    /// The other end of the connection that began it.
    pub remote: Option<SocketAddr>,
    /// Whom the limits of addresses count it for; nobody, where there are none for it.
    pub counted_for: Option<AddressKey>,
}

/// The application's side of a session, lent to it for one call.
#[derive(Debug)]
pub struct Link<'a> {
    sid: Sid,
    connection: &'a mut EngineSession,
    now: Instant,
}

impl<'a> Link<'a> {
    pub(super) const fn new(sid: Sid, connection: &'a mut EngineSession, now: Instant) -> Self {
        Self {
            sid,
            connection,
            now,
        }
    }

    /// The session's id.
    #[must_use]
    pub const fn sid(&self) -> Sid {
        self.sid
    }

    /// The time of this call.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Queues a packet, and the attachments that follow it directly.
    pub fn send(&mut self, frame: Frame, attachments: &[Frame]) {
        self.connection.send(frame, attachments);
    }

    /// Ends the session.
    pub fn close(&mut self, reason: CloseReason) {
        self.connection.close(reason, self.now);
    }
}
