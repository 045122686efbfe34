//! The application's value for one socket, and its place in the socket's life.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;

use crate::auth::{Peer, RevealedFields};
use crate::delivery::Delivery;
use crate::engineio::{CloseReason, Data};
use crate::ids::{IdentityKey, Sid};
use crate::limits::{AddressKey, Cost, LimitExceeded, Owner, Permit, Share, TokenBucket, refusals};
use crate::live::LiveReader;
use crate::rooms::Member;
use crate::socket::{Application, Link, Opening, OpeningRefused, Socket, TooFast};
use crate::socketio::SocketIoClient;

use super::service::{AuthSocketService, SocketRates};
use super::state::framer::{EventFramer, PendingFrame};
use super::state::held::HeldFrames;
use super::state::paced_queue::PacedQueue;
use super::state::phase::Phase;
use super::state::reply_queue::ReplyQueue;
use super::state::upkeep::Upkeep;

/// The longest pause in reading from a client: so short that its HTTP requests and its heartbeat do not time out.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// What a session counts against: its address until it is admitted, then its identity.
#[derive(Debug)]
pub(super) enum Allowance {
    Address { _permit: Permit<AddressKey> },
    Identity(Share),
}

/// One socket that speaks AuthSocket.
#[derive(Debug)]
pub struct AuthSocketSession {
    pub(super) service: Arc<AuthSocketService>,
    pub(super) sid: Sid,
    pub(super) connection: SocketIoClient,
    pub(super) peer: Peer,
    /// Set while the client is connected to a namespace.
    pub(super) framer: Option<EventFramer>,
    pub(super) phase: Phase<Member>,
    pub(super) allowance: Allowance,
    pub(super) replies: ReplyQueue,
    /// Frames that wait until the client can verify them.
    pub(super) queue: PacedQueue<PendingFrame>,
    pub(super) upkeep: Upkeep,
    pub(super) held: HeldFrames,
    /// Counts the bytes of held frames and of incomplete packets.
    pub(super) holding: Permit<Owner>,
    pub(super) delivery: Delivery,
    /// The address that handshakes and refusals count for.
    pub(super) counted_for: Option<AddressKey>,
    /// Whether the next handshake was already counted when the socket opened.
    pub(super) handshake_prepaid: bool,
    /// Whether a large message is being parsed. Later ones wait.
    pub(super) is_reading: bool,
    flow: TokenBucket,
    rates: LiveReader<SocketRates>,
}

impl AuthSocketSession {
    /// Creates the session of a new socket.
    ///
    /// # Errors
    /// [`OpeningRefused`].
    pub fn new(service: Arc<AuthSocketService>, opening: &Opening) -> Result<Self, OpeningRefused> {
        let permit = service.addresses.open_socket(opening.counted_for);
        let permit = permit.map_err(|full| match full {
            LimitExceeded::PerKey => OpeningRefused::TooManyOfOne,
            LimitExceeded::Global => OpeningRefused::TooManyOfAll,
        })?;
        let now = Instant::now();
        let settings = &service.settings;
        Ok(Self {
            sid: opening.sid,
            connection: SocketIoClient::new(Arc::clone(&service.socketio), now),
            peer: Peer::new(Arc::clone(&service.identity), settings.peer.clone()),
            framer: None,
            phase: Phase::new(now + settings.auth_timeout),
            allowance: Allowance::Address { _permit: permit },
            replies: ReplyQueue::default(),
            queue: PacedQueue::new(settings.pace, settings.max_paced_bytes),
            upkeep: Upkeep::new(now),
            held: HeldFrames::default(),
            holding: service
                .waiting
                .hold(opening.counted_for.map(Owner::Address)),
            delivery: service.delivery.from_address(opening.counted_for),
            counted_for: opening.counted_for,
            handshake_prepaid: true,
            is_reading: false,
            flow: TokenBucket::default(),
            rates: service.rates.reader(),
            service,
        })
    }

    /// What the client's certificates reveal, once the required ones have arrived.
    pub const fn revealed(&self) -> Option<&Arc<RevealedFields>> {
        self.peer.revealed()
    }

    const fn share(&self) -> Option<&Share> {
        match &self.allowance {
            Allowance::Identity(share) => Some(share),
            Allowance::Address { .. } => None,
        }
    }

    /// Counts the bytes of held frames and incomplete packets; closes the socket if there are too many.
    pub(super) fn count_held(&mut self, link: &mut Link<'_>) {
        let bytes = self.connection.partial_bytes() + self.held.bytes();
        if !self.is_reading && self.holding.resize(bytes).is_err() {
            log::debug!("socket {}: too many bytes of incomplete packets", self.sid);
            link.close(CloseReason::ForcedClose);
        }
    }

    /// Ends the membership, and gives an admitted client time to come back.
    pub(super) fn leave_rooms(&mut self, now: Instant) {
        let deadline = now + self.service.settings.auth_timeout;
        if let Some(member) = self.phase.leave(deadline) {
            member.remove();
        }
    }
}

impl Application for AuthSocketSession {
    fn opened(&mut self, _link: &mut Link<'_>, _ctx: &mut Context<Socket<Self>>) {}

    fn arrived(&mut self, amount: Cost, now: Instant) -> Result<Duration, TooFast> {
        let rates = *self.rates.get();
        let own = self.flow.charge(&rates.socket, amount, now);
        let shared = self.share();
        let shared = shared.map(|share| share.charge(&rates.identity, amount, now));
        let wait = own.max(shared.unwrap_or_default());
        if wait > self.service.settings.max_delay {
            log::debug!("socket {} sends too fast", self.sid);
            let owner = self.identity().map(Owner::Identity);
            let owner = owner.or_else(|| self.counted_for.map(Owner::Address));
            refusals().count("frame_rate", LimitExceeded::PerKey, owner.as_ref());
            return Err(TooFast);
        }
        Ok(wait)
    }

    fn received(&mut self, data: Data, link: &mut Link<'_>, ctx: &mut Context<Socket<Self>>) {
        let handled = match data {
            Data::Text(text) => self.connection.handle_text(&text),
            Data::Binary(bytes) => self.connection.handle_binary(bytes),
        };
        self.handle_connection(handled, link, ctx);
        self.count_held(link);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [
            self.connection.poll_timeout(),
            self.phase.poll_timeout(),
            self.queue.poll_timeout(),
            self.upkeep.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn handle_timeout(&mut self, link: &mut Link<'_>, ctx: &mut Context<Socket<Self>>) {
        let now = link.now();
        if let Some(act) = self.phase.overdue(now) {
            log::debug!("socket {} did not {act} in time", self.sid);
            return link.close(CloseReason::ForcedClose);
        }
        self.handle_upkeep(link);
        self.send_due(link);
        let handled = self.connection.handle_timeout(now);
        self.handle_connection(handled, link, ctx);
    }

    fn pause(&self) -> Duration {
        self.queue.pause(self.replies.len()).min(MAX_PAUSE)
    }

    fn waiting_bytes(&self) -> usize {
        self.queue.bytes()
    }

    fn owes_answers(&self) -> bool {
        self.is_reading || self.replies.len() > 0 || self.queue.answers() > 0
    }

    fn identity(&self) -> Option<IdentityKey> {
        self.share().and_then(Share::identity)
    }

    fn closed(&mut self, _reason: CloseReason, _ctx: &mut Context<Socket<Self>>) {
        let now = Instant::now();
        self.leave_rooms(now);
        self.drop_queued();
        let fresh = Peer::new(
            Arc::clone(&self.service.identity),
            self.service.settings.peer.clone(),
        );
        let sessions = std::mem::replace(&mut self.peer, fresh).into_authenticated_sessions();
        if !sessions.is_empty() {
            let mut lost = self.service.lost.lock();
            for session in sessions {
                lost.keep(session, now);
            }
        }
    }
}
