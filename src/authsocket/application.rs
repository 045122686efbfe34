//! The application's value for one socket, and how it hooks into the socket's life.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;

use crate::auth::{Peer, RevealedFields, Verified};
use crate::delivery::Delivery;
use crate::engineio::{CloseReason, Data};
use crate::ids::{IdentityKey, RoomId, Sid};
use crate::limits::{AddressKey, Cost, LimitExceeded, Owner, Permit, Share, TokenBucket, refusals};
use crate::live::LiveReader;
use crate::rooms::Gone;
use crate::socket::{Application, Link, Opening, OpeningRefused, Socket, TooFast};
use crate::socketio::SocketIoClient;

use super::answers::Answers;
use super::inbound::HeldFrame;
use super::outbound::{Outgoing, Speech};
use super::paced::PacedQueue;
use super::service::{AuthSocketService, SocketRates};
use super::upkeep::Upkeep;

/// The longest that a client is left unread at once: its HTTP requests and its heartbeat must not time out.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// One socket that speaks AuthSocket.
#[derive(Debug)]
pub struct AuthSocket {
    pub(super) service: Arc<AuthSocketService>,
    pub(super) sid: Sid,
    pub(super) connection: SocketIoClient,
    pub(super) peer: Peer,
    /// How events are framed, once a namespace is joined.
    pub(super) speech: Option<Speech>,
    /// Whether the rooms know this socket.
    pub(super) admitted: bool,
    pub(super) joined: HashSet<RoomId>,
    /// Rooms of its own that it does not want.
    pub(super) left: HashSet<RoomId>,
    /// Messages that are not answered yet.
    pub(super) answers: Answers,
    /// What waits until the client can verify it.
    pub(super) queue: PacedQueue<Outgoing>,
    /// What keeps its session alive.
    pub(super) upkeep: Upkeep,
    pub(super) held: Vec<HeldFrame>,
    /// What came verified before the certificates that are required.
    pub(super) uncertified: Vec<Verified>,
    /// Set until the socket has proven an identity.
    pub(super) auth_deadline: Option<Instant>,
    /// Set from the handshake until the certificates came that are required.
    pub(super) certificate_deadline: Option<Instant>,
    /// Set while a connected socket has said nothing.
    pub(super) revival_at: Option<Instant>,
    /// Where its messages are handed in.
    pub(super) delivery: Delivery,
    /// Whom further handshakes count for.
    pub(super) counted_for: Option<AddressKey>,
    /// Whether the handshake may be made that was counted when the socket was opened.
    pub(super) may_shake_hands: bool,
    /// What waits here: frames until a proof, packets until they are whole or read.
    pub(super) holding: Permit<Owner>,
    /// Whether a large message is being read; what comes behind it waits.
    pub(super) is_reading: bool,
    /// What it has sent lately.
    bucket: TokenBucket,
    /// What it may send.
    rates: LiveReader<SocketRates>,
    /// Its place among those that have proven nothing, until it has.
    pub(super) unproven: Option<Permit<AddressKey>>,
    /// Its part in what its identity may have, once that is proven.
    pub(super) share: Option<Share>,
}

impl AuthSocket {
    /// The application's value for a new socket.
    ///
    /// # Errors
    /// [`OpeningRefused`].
    pub fn new(service: Arc<AuthSocketService>, opening: &Opening) -> Result<Self, OpeningRefused> {
        let unproven = service.addresses.open_socket(opening.counted_for);
        let unproven = unproven.map_err(|full| match full {
            LimitExceeded::PerKey => OpeningRefused::TooManyOfOne,
            LimitExceeded::Global => OpeningRefused::TooManyOfAll,
        })?;
        let now = Instant::now();
        let peer_config = service.settings.peer.clone();
        Ok(Self {
            sid: opening.sid,
            connection: SocketIoClient::new(Arc::clone(&service.socketio), now),
            peer: Peer::new(Arc::clone(&service.identity), peer_config),
            speech: None,
            admitted: false,
            joined: HashSet::new(),
            left: HashSet::new(),
            answers: Answers::default(),
            queue: PacedQueue::new(service.settings.pace, service.settings.max_paced_bytes),
            upkeep: Upkeep::new(now),
            held: Vec::new(),
            uncertified: Vec::new(),
            auth_deadline: Some(now + service.settings.auth_timeout),
            certificate_deadline: None,
            revival_at: None,
            delivery: service.delivery.from_address(opening.counted_for),
            counted_for: opening.counted_for,
            may_shake_hands: true,
            holding: service
                .waiting
                .hold(opening.counted_for.map(Owner::Address)),
            is_reading: false,
            bucket: TokenBucket::default(),
            rates: service.rates.reader(),
            unproven: Some(unproven),
            share: None,
            service,
        })
    }

    /// What its certificates reveal, where certificates are required; nothing before they came.
    #[must_use]
    pub const fn revealed(&self) -> Option<&Arc<RevealedFields>> {
        self.peer.revealed()
    }
}

impl Application for AuthSocket {
    fn opened(&mut self, _link: &mut Link<'_>, _ctx: &mut Context<Socket<Self>>) {}

    fn arrived(&mut self, cost: Cost, now: Instant) -> Result<Duration, TooFast> {
        let rates = self.rates.get();
        let own = self.bucket.charge(&rates.socket, cost, now);
        let shared = self.share.as_ref();
        let shared = shared.map(|share| share.charge(&rates.identity, cost, now));
        let wait = own.max(shared.unwrap_or_default());
        if wait > self.service.settings.max_delay {
            log::debug!("socket {} sends too much", self.sid);
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
        self.count_waiting(link);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [
            self.connection.poll_timeout(),
            self.auth_deadline,
            self.certificate_deadline,
            self.revival_at,
            self.queue.poll_timeout(),
            self.upkeep.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn handle_timeout(&mut self, link: &mut Link<'_>, ctx: &mut Context<Socket<Self>>) {
        let now = link.now();
        if self.auth_deadline.is_some_and(|deadline| deadline <= now) {
            self.auth_deadline = None;
            log::debug!("socket {} did not authenticate in time", self.sid);
            return link.close(CloseReason::ForcedClose);
        }
        let is_late = |deadline: Instant| deadline <= now;
        if self.certificate_deadline.is_some_and(is_late) {
            self.certificate_deadline = None;
            log::debug!("socket {} brought no certificates in time", self.sid);
            return link.close(CloseReason::ForcedClose);
        }
        if self.revival_at.is_some_and(|at| at <= now) {
            self.revival_at = None;
            self.begin_handshake(link);
        }
        self.handle_upkeep(link);
        self.send_due(link);
        let handled = self.connection.handle_timeout(now);
        self.handle_connection(handled, link, ctx);
    }

    fn pause(&self) -> Duration {
        self.queue.pause(self.answers.len()).min(MAX_PAUSE)
    }

    fn waiting_bytes(&self) -> usize {
        self.queue.bytes()
    }

    fn owes_answers(&self) -> bool {
        self.is_reading || self.answers.len() > 0 || self.queue.answers() > 0
    }

    fn identity(&self) -> Option<IdentityKey> {
        self.share.as_ref().and_then(Share::identity)
    }

    fn closed(&mut self, _reason: CloseReason, _ctx: &mut Context<Socket<Self>>) {
        self.leave_all_rooms();
        self.drop_waiting();
        let fresh = Peer::new(
            Arc::clone(&self.service.identity),
            self.service.settings.peer.clone(),
        );
        let sessions = std::mem::replace(&mut self.peer, fresh).into_authenticated_sessions();
        if !sessions.is_empty() {
            let mut lost = self.service.lost();
            let now = Instant::now();
            for session in sessions {
                lost.keep(session, now);
            }
        }
    }
}

impl AuthSocket {
    /// Counts what waits here; a socket that has too much is closed.
    pub(super) fn count_waiting(&mut self, link: &mut Link<'_>) {
        let waiting = self.connection.partial_bytes() + self.held_bytes();
        if !self.is_reading && self.holding.resize(waiting).is_err() {
            log::debug!("socket {}: too much waits for it", self.sid);
            link.close(CloseReason::ForcedClose);
        }
    }

    pub(super) fn leave_all_rooms(&mut self) {
        if self.admitted {
            self.admitted = false;
            self.joined.clear();
            self.left.clear();
            self.service.rooms.gone(Gone { sid: self.sid });
        }
    }
}
